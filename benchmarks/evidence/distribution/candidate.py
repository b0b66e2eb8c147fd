"""A candidate for the value of causal checkpoints, fixed before a judged world had a score of it, against the value as it is.

    python -m benchmarks.evidence.distribution.candidate WORLD ... --data DIR --out FOLDER
        [--encoder DIR] [--language-model DIR] [--weights DIR] [--results DIR] [--figures]

The candidate, what it was chosen on, and the rule by which it becomes the default: docs/laboratory.md, "A candidate for causal
models". Truth is that of the stored results, and nothing is trained. What a run has measured below --out is used again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.evidence.distribution.backbones import folder_options
from benchmarks.evidence.distribution.catalogue import world_named
from benchmarks.evidence.distribution.over_worlds import FEWEST_CLUSTERS, clustered_means, record
from benchmarks.evidence.distribution.results import HEADLINE, DistributionResult, read, result_file
from benchmarks.evidence.distribution.switches import AS_MEASURED, OTHER_PENALTY, figures, measured
from benchmarks.figures import RESULTS, Figure, figure, write_beside
from mixval.config.tasks import CAUSAL
from mixval.evidence.bootstrap import N_RESAMPLES, interval

COMMAND = "python -m benchmarks.evidence.distribution.candidate"
SETTINGS = "ntk.preconditioner=target,value.damping=0.1"
"""With the penalty of `OTHER_PENALTY`."""
COMPARED = ((AS_MEASURED, "value"), (AS_MEASURED, "first-order"), (SETTINGS, OTHER_PENALTY))
"""Variant and ranking. The rule compares the first with the last."""
Row = tuple[str, str, str, float]
"""Variant, ranking, form of truth and Spearman correlation."""


def compared(rows: Sequence[Row]) -> dict[str, float]:
    """(K,) Spearman of the value as it is, and of the candidate, with the headline form of truth; other rows play no part."""
    found = {(variant, ranking): rho for variant, ranking, form, rho in rows if form == HEADLINE}
    return {"present": found[COMPARED[0]], "candidate": found[COMPARED[-1]]}


def margin_figures(worlds: Sequence[DistributionResult], margins: Sequence[float], command: str) -> list[Figure]:
    """`candidate_margin`: the candidate less the present value, mean over worlds; by task; won and lost; and its interval over
    worlds, where there are enough of them."""
    values, clusters = np.array(margins, dtype=np.float64), [one.cluster for one in worlds]
    won, lost = record(margins)
    claims: list[tuple[str, float, str, str]] = [
        ("candidate_margin", float(values.mean()), "-", "1"),
        ("candidate_worlds_won", won, "-", "worlds"),
        ("candidate_worlds_lost", lost, "-", "worlds"),
    ]
    for task in sorted({one.task for one in worlds}):
        own = [margin for one, margin in zip(worlds, margins, strict=True) if one.task == task]
        claims.append((f"candidate_margin/{task}", float(np.mean(own)), ">= -0.01", "1"))
    if len(set(clusters)) >= FEWEST_CLUSTERS:
        found = interval(float(values.mean()), clustered_means(values, clusters, N_RESAMPLES))
        claims += [("candidate_margin_low", found.low, "> 0", "1"), ("candidate_margin_high", found.high, "-", "1")]
    return [figure(name, value, target, unit, command) for name, value, target, unit in claims]


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments, checked before anything is drawn."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Holds a fixed candidate against the value as it is.")
    parser.add_argument("worlds", nargs="+", metavar="WORLD", help="worlds of causal models with stored results")
    folder_options(parser)
    parser.add_argument("--results", type=Path, default=RESULTS / "evidence" / "distribution", help="folder of the results")
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/candidate.json")
    given = parser.parse_args(words)
    given.set = [SETTINGS]
    given.held = [read(result_file(given.results, world_named(name))) for name in given.worlds]
    if others := [one.world for one in given.held if one.task not in CAUSAL]:
        parser.error(f"expected worlds of causal models, found {', '.join(others)}")
    return given


def main(words: Sequence[str] | None = None) -> None:
    """Compare in every world named on the command line."""
    given = parsed(words)
    torch.set_num_threads(1)
    made, margins = list[Figure](), list[float]()
    for name in given.worlds:
        rows = [row for row in measured(given, name) if row[:2] in COMPARED]
        found = compared(rows)
        margins.append(found["candidate"] - found["present"])
        made += figures(name, rows, f"{COMMAND} {name}")
        print(f"{name}  present {found['present']:6.3f}  candidate {found['candidate']:6.3f}", flush=True)
    made += margin_figures(given.held, margins, f"{COMMAND} {' '.join(given.worlds)}")
    for one in made[-8:]:
        print(f"{one['name']} {one['figure']}")
    if given.figures:
        write_beside("candidate", made, COMMAND)
        print(f"{len(made)} figures written", file=sys.stderr)


if __name__ == "__main__":
    main()
