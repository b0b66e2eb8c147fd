"""How often intervals hold what is true when rows are drawn again: `python -m benchmarks.mixing.coverage --data DIR`.

In the worlds of `python -m benchmarks.mixing`, contributors of 120 real and 120 generated rows and targets of 300 rows are
drawn again and again from all rows that there are. What is true is the mean over draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, figure, write_beside
from benchmarks.mixing.measure import CONFIDENCE, part_of, target_side
from benchmarks.mixing.worlds import MixingWorld, worlds
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.terms.replicates import interval
from mixval.valuation.marginal import Estimated
from mixval.valuation.mixtures import Mixtures

COMMAND = "python -m benchmarks.mixing.coverage"
DRAWS = 80
ROWS, TARGET_ROWS = 120, 300
"""Rows of a part, and of the target."""


def _of_both(mixtures: Mixtures) -> Estimated:
    return mixtures.worth({}).value


def _adds(mixtures: Mixtures) -> Estimated:
    return mixtures.worth({}).value.less(mixtures.worth({SYNTHETIC: 0.0}).value)


def _difference(mixtures: Mixtures) -> Estimated:
    """Between two contributors of one part each: whether they tie follows from it."""
    return mixtures.worth({SYNTHETIC: 0.0}).value.less(mixtures.worth({REAL: 0.0}).value)


def _of_a_third(mixtures: Mixtures) -> Estimated:
    return mixtures.drawn({REAL: 1 / 3, SYNTHETIC: 1 / 3}).value


QUANTITIES: dict[str, Callable[[Mixtures], Estimated]] = {
    "both": _of_both,
    "synthetic-adds": _adds,
    "difference": _difference,
    "a-third-drawn": _of_a_third,
}


def covered(world: MixingWorld, draws: int = DRAWS) -> dict[str, list[bool]]:
    """Quantity -> for each draw whether its interval holds the mean over draws."""
    random, held_out = np.random.default_rng(29), world.target + world.test
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in QUANTITIES}
    for _ in range(draws):
        real, synthetic, target = (
            rows.take(random.permutation(len(rows.labels))[:n])
            for rows, n in ((world.real, ROWS), (world.synthetic, ROWS), (held_out, TARGET_ROWS))
        )
        drawn = MixingWorld(world.name, real, synthetic, target, world.test, world.n_classes)
        parts = {REAL: part_of(real, drawn), SYNTHETIC: part_of(synthetic, drawn, 1 << 20)}
        mixtures = Mixtures(parts, target_side(drawn))
        for name, measure in QUANTITIES.items():
            one = measure(mixtures)
            low, high = interval(one.value, np.zeros(0) if one.deviations is None else one.deviations, CONFIDENCE)
            found[name].append((one.value, np.nan if low is None else low, np.nan if high is None else high))
    return {name: _holding(np.array(ends)) for name, ends in found.items()}


def _holding(ends: np.ndarray) -> list[bool]:  # (draws, 3): value, low, high
    truth = ends[:, 0].mean()
    return [bool(one) for one in (ends[:, 1] <= truth) & (truth <= ends[:, 2])]


def coverage_figures(world: str, found: dict[str, list[bool]]) -> list[Figure]:
    """The mean over quantities, and each."""
    name = f"interval_coverage/{world}"
    mean = float(np.mean([np.mean(held) for held in found.values()]))
    return [
        figure(f"{name}/linear", mean, "0.93 to 0.97", "share", COMMAND),
        *(figure(f"{name}/{one}/linear", float(np.mean(held)), "-", "share", COMMAND) for one, held in found.items()),
    ]


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    given, figures = parser.parse_args(), list[Figure]()
    for world in worlds(given.data):
        figures += coverage_figures(world.name, covered(world))
        print(figures[-5:], flush=True)
    write_beside("evidence", figures, COMMAND)


if __name__ == "__main__":
    main()
