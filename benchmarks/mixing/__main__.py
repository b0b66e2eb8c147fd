"""Values of mixtures, parts and coalitions against trainings: `python -m benchmarks.mixing --data DIR`.

Three worlds of CIFAR-10 and SST-2 with generated rows; the model is a linear head on frozen features (outlines of images, words
of texts), so that its tangent kernel is exact and a training takes milliseconds: what is tested are values, not linearisation.
Ratios are trained at two budgets with four draws of rows each. Figures go to `benchmarks/results/evidence.json`, the curves to
`benchmarks/results/mixing.json`. `DIR` is that of `python -m benchmarks.evidence`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.figures import RESULTS, Figure, commit, figure, write_beside
from benchmarks.mixing.measure import RATIOS, Coalitions, PartSigns, RatioResult, coalitions, contributors, part_signs, ratios
from benchmarks.mixing.worlds import MixingWorld, worlds

COMMAND = "python -m benchmarks.mixing"


def ratio_figures(found: list[RatioResult]) -> list[Figure]:
    """Order and regret of ratios, of the values and of each rival, over both budgets of a world."""
    figures, world = [], found[0].world
    named = {"": lambda one: one.predicted} | {
        f"/{rival}": (lambda one, rival=rival: one.rivals[rival]) for rival in found[0].rivals
    }
    for name, scores in named.items():
        regret = max(one.regret(scores(one)) for one in found)
        figures.append(figure(f"ratio_regret/{world}{name}/linear", regret, "-" if name else "<= 0.1", "1", COMMAND))
        if name in ("", "/regression-on-small", "/value-of-rows-drawn"):
            order = float(np.mean([one.spearman(scores(one)) for one in found]))
            figures.append(figure(f"ratio_spearman/{world}{name}/linear", order, "-" if name else ">= 0.9", "1", COMMAND))
    return figures


def coalition_figures(world: str, found: Coalitions) -> list[Figure]:
    """Order of unions, and by the mean of single values."""
    order, by_mean = (float(spearmanr(one, found.truth).statistic) for one in (found.predicted, found.means))
    return [
        figure(f"coalition_spearman/{world}/linear", order, ">= 0.9", "1", COMMAND),
        figure(f"coalition_spearman/{world}/mean-of-single/linear", by_mean, "-", "1", COMMAND),
    ]


def part_figures(found: list[PartSigns]) -> list[Figure]:
    """Share of right signs among what is called distinct, and how much is."""
    truth, predicted, distinct = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("truth", "predicted", "is_distinct")
    )
    right = np.sign(truth) == np.sign(predicted)
    share = float(right[distinct].mean()) if distinct.any() else None
    return [
        figure("part_sign_share/linear", share, ">= 0.95", "1", COMMAND),
        figure("part_distinct_share/linear", float(distinct.mean()), "-", "1", COMMAND),
        figure("part_sign_share/all/linear", float(right.mean()), "-", "1", COMMAND),
        figure("part_spearman/linear", float(spearmanr(truth, predicted).statistic), "-", "1", COMMAND),
    ]


def measured(world: MixingWorld) -> tuple[list[RatioResult], PartSigns, Coalitions]:
    """All studies of a world."""
    drawn = contributors(world)
    return ratios(world), part_signs(world, drawn), coalitions(world, drawn)


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    given = parser.parse_args()
    started, figures, curves, parts = time.process_time(), list[Figure](), list[RatioResult](), list[PartSigns]()
    for world in worlds(given.data):
        of_ratios, of_parts, of_coalitions = measured(world)
        figures += [*ratio_figures(of_ratios), *coalition_figures(world.name, of_coalitions)]
        curves += of_ratios
        parts.append(of_parts)
        print(world.name, *of_ratios, sep="\n", flush=True)
    figures += part_figures(parts)
    figures.append(figure("mixing_cpu_seconds/linear", time.process_time() - started, "-", "seconds", COMMAND))
    write_beside("evidence", figures, COMMAND)
    stored = {"command": COMMAND, "commit": commit(), "ratios": RATIOS, "curves": [asdict(one) for one in curves]}
    (RESULTS / "mixing.json").write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
