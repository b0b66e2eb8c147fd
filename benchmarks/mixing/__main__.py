"""Values of mixtures, parts and coalitions against trainings: `python -m benchmarks.mixing --data DIR`.

Three worlds of CIFAR-10 and SST-2 with generated rows; the model is a linear head on frozen features (outlines of images, words
of texts), so that its tangent kernel is exact and a training takes milliseconds: what is tested are values, not linearisation.
Ratios are trained at two budgets with sixteen draws of rows each. Figures go to `benchmarks/results/evidence.json`, the curves
to `benchmarks/results/mixing.json`. `DIR` is that of `python -m benchmarks.evidence`.
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
from benchmarks.mixing.measure import (
    RATIOS,
    Coalitions,
    PartSigns,
    RatioResult,
    Teams,
    coalitions,
    contributors,
    part_signs,
    ratios,
    teams,
)
from benchmarks.mixing.worlds import TARGET_ROWS, development_worlds, worlds

COMMAND = "python -m benchmarks.mixing"
REDRAWS = 500
"""Of draws of rows, and of unions, for intervals of correlations."""


def ratio_figures(found: list[RatioResult]) -> list[Figure]:
    """Order and regret of ratios, of the values and of each rival, over both budgets of a world."""
    figures, world = [], found[0].world
    named = {"": lambda one: one.predicted} | {
        f"/{rival}": (lambda one, rival=rival: one.rivals[rival]) for rival in found[0].rivals
    }
    for name, scores in named.items():
        regret = max(one.regret(scores(one)) for one in found)
        figures.append(figure(f"ratio_regret/{world}{name}/linear", regret, "-" if name else "<= 0.1", "1", COMMAND))
        if name not in ("/all-real", "/all-alike"):
            order = float(np.mean([one.spearman(scores(one)) for one in found]))
            figures.append(figure(f"ratio_spearman/{world}{name}/linear", order, "-" if name else ">= 0.9", "1", COMMAND))
    random = np.random.default_rng(3)
    again = [[one.redrawn(random) for one in found] for _ in range(REDRAWS)]
    orders = [float(np.mean([one.spearman(one.predicted) for one in redrawn])) for redrawn in again]
    figures += _ends(f"ratio_spearman/{world}", orders)
    agreement = float(np.mean([one.agreement for one in found]))
    seconds = sum(one.small_seconds for one in found)
    return [
        *figures,
        figure(f"ratio_spearman/{world}/trainings-again/linear", agreement, "-", "1", COMMAND),
        figure(f"ratio_seconds/{world}/regression-on-small/linear", seconds, "-", "seconds", COMMAND),
    ]


def _ends(name: str, redrawn: list[float]) -> list[Figure]:
    low, high = np.nanquantile(redrawn, [0.025, 0.975])
    ends = {"low": float(low), "high": float(high)}
    return [figure(f"{name}/linear/{end}", value, "-", "1", COMMAND) for end, value in ends.items()]


def coalition_figures(world: str, found: Coalitions) -> list[Figure]:
    """Order of unions, with its interval over them, and by the mean of single values."""
    scores = (found.predicted, found.means, found.on_test)
    order, by_mean, on_test = (float(spearmanr(one, found.truth).statistic) for one in scores)
    random, n = np.random.default_rng(3), len(found.truth)
    drawn = [
        at for at in random.integers(0, n, (REDRAWS, n)) if min(np.ptp(found.truth[at]), np.ptp(found.predicted[at])) > 1e-9
    ]
    return [
        figure(f"coalition_spearman/{world}/linear", order, ">= 0.9", "1", COMMAND),
        *_ends(
            f"coalition_spearman/{world}", [float(spearmanr(found.predicted[at], found.truth[at]).statistic) for at in drawn]
        ),
        figure(f"coalition_spearman/{world}/mean-of-single/linear", by_mean, "-", "1", COMMAND),
        figure(f"coalition_spearman/{world}/test-rows-as-target/linear", on_test, "-", "1", COMMAND),
    ]


def team_figures(world: str, found: Teams) -> list[Figure]:
    """A greedy team against random ones."""
    return [
        figure(f"greedy_five_regret/{world}/linear", found.regret, "<= 0", "1", COMMAND),
        figure(f"greedy_five_beats/{world}/linear", found.beaten, "-", "share", COMMAND),
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


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--development", action="store_true", help="measure the development worlds, and store nothing")
    parser.add_argument(
        "--target-rows", type=int, default=TARGET_ROWS, help="rows of the target; other than the default stores nothing"
    )
    given = parser.parse_args()
    started, figures, curves, parts = time.process_time(), list[Figure](), list[RatioResult](), list[PartSigns]()
    made = development_worlds if given.development else worlds
    for world in made(given.data, given.target_rows):
        drawn, of_ratios = contributors(world), ratios(world)
        figures += [*ratio_figures(of_ratios), *coalition_figures(world.name, coalitions(world, drawn))]
        figures += team_figures(world.name, teams(world, drawn))
        curves += of_ratios
        parts.append(part_signs(world, drawn))
        print(world.name, *of_ratios, sep="\n", flush=True)
    figures += part_figures(parts)
    figures.append(figure("mixing_cpu_seconds/linear", time.process_time() - started, "-", "seconds", COMMAND))
    if given.development or given.target_rows != TARGET_ROWS:
        print(*(f"{one['name']} {one['figure']}" for one in figures), sep="\n")
        return
    write_beside("evidence", figures, COMMAND)
    stored = {
        "command": COMMAND,
        "commit": commit(),
        "ratios": RATIOS,
        "curves": [asdict(one) | {"truth": one.truth} for one in curves],
    }
    (RESULTS / "mixing.json").write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
