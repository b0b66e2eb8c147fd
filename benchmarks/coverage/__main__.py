"""How often mixval's intervals hold what they are of: `python -m benchmarks.coverage`.

Contributors' rows and the target are drawn again and again from one pool. What is true is the mean of the estimate over all
draws; of a discrepancy, the root of the mean of MMD^2, which is unbiased where its root is not, and 0 where rows are drawn as
the target's are. The share of 95 % intervals that hold it goes to `benchmarks/results/first_evening.json`, unless only some
settings are asked for. Pools are synthetic, or of the rows of `--data FOLDER`.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.coverage.draws import Estimate, Sample, draw, label_value
from benchmarks.coverage.pool import Pool, synthetic_pool
from benchmarks.coverage.quantities import CONTRIBUTORS_PART, QUANTITIES, Draw, Setting
from benchmarks.figures import figure, write_by_name
from mixval.terms.replicates import deviations, interval

COMMAND = "python -m benchmarks.coverage"
CONFIDENCE = 0.95
TARGET = "0.92 to 0.97"
TARGET_WORST = "0.9 to 1"
POOLS = {"2 classes, weak": (2, 0.3), "10 classes": (10, 0.7)}
"""Classes and separation."""
POOL_ROWS = 6000
TARGETS_HELD = 5
"""Targets under which contributors alone are drawn again."""
SETTINGS = (
    Setting(30, 20, 0.0, 0.0),
    Setting(30, 300, 0.0, 0.3),
    Setting(100, 100, 0.0, 0.0),
    Setting(100, 100, 0.5, 0.3),
    Setting(100, 100, -1.0, 0.0),
    Setting(400, 20, 0.0, 1.0),
    Setting(400, 300, 1.0, 0.1),
)


def contributor(pool: Pool, rows: np.ndarray, setting: Setting, drawn: np.random.Generator) -> Sample:
    """A contributor from `rows` of the pool."""
    first = pool.features[rows, 0]
    weights = np.exp(setting.shift * (first - first.mean()) / first.std())
    return draw(pool, drawn.choice(rows, setting.n, replace=False, p=weights / weights.sum()), setting.noise, drawn)


def draws_of(pool: Pool, setting: Setting, draws: int) -> Iterator[Draw]:
    """Two contributors and a target, again and again."""
    drawn = np.random.default_rng(2)
    for seed in range(draws):
        order = drawn.permutation(len(pool))
        target = Sample(pool, order[: setting.m], pool.labels[order[: setting.m]])
        one, other = (contributor(pool, rows, setting, drawn) for rows in np.array_split(order[setting.m :], 2))
        yield Draw(setting, one, other, target, seed)


def held(found: list[Estimate], truth: float) -> list[bool]:
    """Whether each interval holds it."""
    ends = [interval(one.value, one.deviations, CONFIDENCE) for one in found]
    return [low is not None and high is not None and low <= truth <= high for low, high in ends]


def truth_of(found: list[Estimate], setting: Setting) -> float:
    """What the intervals are of."""
    if found[0].exact is None:
        return float(np.mean([one.value for one in found]))
    return math.sqrt(max(np.mean([one.exact or 0.0 for one in found]), 0.0)) if setting.shift else 0.0


def contributors_part(pool: Pool, setting: Setting, draws: int) -> list[bool]:
    """The value's interval by contributors' rows alone, under one target at a time: the part that decides ties."""
    drawn, hits = np.random.default_rng(5), []
    for _ in range(TARGETS_HELD):
        order = drawn.permutation(len(pool))
        target, rest = Sample(pool, order[: setting.m], pool.labels[order[: setting.m]]), order[setting.m :]
        found = []
        for _ in range(max(draws // TARGETS_HELD, 2)):
            value, spread = label_value(contributor(pool, rest, setting, drawn), target)
            found.append(Estimate(value, spread.linear.shifts(deviations([spread.under_target]))))
        hits += held(found, truth_of(found, setting))
    return hits


def covered(task: tuple[str, Setting, int, Sequence[str]]) -> dict[str, list[bool]]:
    """Quantity -> whether the interval of each draw holds what is true, of one setting."""
    name, setting, draws, quantities = task
    pool, found = synthetic_pool(POOL_ROWS, *POOLS[name]), defaultdict(list)
    asked = [quantity for quantity in quantities if quantity != CONTRIBUTORS_PART]
    for of in draws_of(pool, setting, draws if asked else 0):
        for quantity in asked:
            if (estimate := QUANTITIES[quantity](of)) is not None:
                found[quantity].append(estimate)
    hits = {quantity: held(each, truth_of(each, setting)) for quantity, each in found.items()}
    return hits | ({CONTRIBUTORS_PART: contributors_part(pool, setting, draws)} if CONTRIBUTORS_PART in quantities else {})


def main() -> None:
    """Measure and store."""
    everything = (*QUANTITIES, CONTRIBUTORS_PART)
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--draws", type=int, default=200, help="draws a setting")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quantity", nargs="+", choices=everything, default=everything, help="only these", metavar="NAME")
    numbers = range(len(SETTINGS))
    parser.add_argument("--setting", nargs="+", type=int, choices=numbers, help="only these, by number; nothing is stored")
    given = parser.parse_args()
    chosen = [SETTINGS[number] for number in (given.setting or numbers)]
    tasks = [(name, setting, given.draws, given.quantity) for name in POOLS for setting in chosen]
    shares: dict[str, list[float]] = defaultdict(list)
    with ProcessPoolExecutor(given.processes) as workers:
        for (name, setting, *_), hits in zip(tasks, workers.map(covered, tasks), strict=True):
            print(name, setting, {quantity: round(float(np.mean(each)), 3) for quantity, each in hits.items()}, flush=True)
            for quantity, each in hits.items():
                shares[quantity].append(float(np.mean(each)))
    figures = []
    asked = f"{COMMAND} --draws {given.draws}"
    for quantity, each in shares.items():
        figures.append(figure(f"coverage/{quantity}", float(np.mean(each)), TARGET, "1", asked))
        figures.append(figure(f"coverage/{quantity}, worst setting", min(each), TARGET_WORST, "1", asked))
    if given.setting is None:
        write_by_name("first_evening", figures)
    else:
        for one in figures:
            print(one["name"], one["figure"])


if __name__ == "__main__":
    main()
