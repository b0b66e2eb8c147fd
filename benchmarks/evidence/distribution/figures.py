"""The figures of the distribution for `benchmarks/results/evidence.json`: judged worlds alone.

    world_mean_spearman, world_mean_spearman_low, world_mean_spearman/TASK, rival_margin_low/RIVAL

of the headline form of truth; those of the other forms have `truth/FORM/` before their names. Where there are
too few worlds for an interval, a mean over them says nothing of others, and there is no figure but how many they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.evidence.distribution.over_worlds import OverWorlds, over_worlds
from benchmarks.evidence.distribution.results import FORMS, HEADLINE, DistributionResult
from benchmarks.figures import Figure, figure

MARGIN_TARGET = "> 0"


def distribution_figures(results: Sequence[DistributionResult], command: str) -> list[Figure]:
    """All of them. Raises ContractError where no judged world has the headline form."""
    judged = [one for one in results if one.role == "judged"]
    found = over_worlds(judged, HEADLINE)
    figures = _of_form(found, "", command)
    for form in FORMS:
        if form != HEADLINE and any(form in one.truth for one in judged):
            figures += _of_form(over_worlds(judged, form), f"truth/{form}/", command)
    figures.append(figure("worlds/judged", len(found.worlds), ">= 24", "worlds", command))
    figures.append(figure("worlds/judged/pretrained", sum(one.is_pretrained for one in found.worlds), "-", "worlds", command))
    return figures


def _of_form(found: OverWorlds, prefix: str, command: str) -> list[Figure]:
    if math.isnan(found.mean.low):
        return []
    claims: list[tuple[str, float, str]] = [
        ("world_mean_spearman", found.mean.value, "-"),
        ("world_mean_spearman_low", found.mean.low, "-"),
        *((f"world_mean_spearman/{task}", value, "-") for task, value in found.by_task.items()),
        *((f"rival_margin_low/{one.method}", one.margin.low, MARGIN_TARGET) for one in found.rivals),
    ]
    known = [claim for claim in claims if not math.isnan(claim[1])]
    return [figure(f"{prefix}{name}", value, target, "1", command) for name, value, target in known]
