"""How often mixval's intervals hold what they are of: `python -m benchmarks.coverage`.

Contributors' rows and the target are drawn again and again from one pool. What is true is the mean of the estimate over all
draws; of a discrepancy, the root of the mean of MMD^2, which is unbiased where its root is not, and 0 where rows are drawn as
the target's are. The share of 95 % intervals that hold it goes to `benchmarks/results/first_evening.json`.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from benchmarks.coverage.draws import (
    Estimate,
    Sample,
    draw,
    embedded_mmd,
    gain,
    label_value,
    loss,
    mmd,
    ntk,
    sketched_value,
    value_of_rows_read,
)
from benchmarks.coverage.pool import Pool, synthetic_pool
from benchmarks.figures import figure, write_by_name
from mixval.terms.ntk.value import run_values
from mixval.terms.replicates import interval

COMMAND = "python -m benchmarks.coverage"
CONFIDENCE = 0.95
TARGET = "0.92 to 0.97"
POOLS = {"2 classes, weak": (2, 0.3), "10 classes": (10, 0.7)}
"""Classes and separation."""
POOL_ROWS = 6000
TARGETS_HELD = 5
"""Targets under which contributors alone are drawn again."""


class Setting(NamedTuple):
    """How rows are drawn."""

    n: int
    """Rows of a contributor."""
    m: int
    """Rows of the target."""
    noise: float
    """Share of labels drawn anew; -1: all wrong."""
    shift: float
    """How far the contributor's first feature is shifted from the target's, roughly in standard deviations."""


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


def estimates(pool: Pool, setting: Setting, draws: int) -> Iterator[tuple[str, Estimate]]:
    """Every quantity in every draw, by name."""
    drawn = np.random.default_rng(2)
    for seed in range(draws):
        order = drawn.permutation(len(pool))
        target = Sample(pool, order[: setting.m], pool.labels[order[: setting.m]])
        rest = np.array_split(order[setting.m :], 2)
        one, other = (contributor(pool, rows, setting, drawn) for rows in rest)
        (value, spread), (value_other, spread_other) = (label_value(own, target, seed) for own in (one, other))
        yield "value", Estimate(value, spread.deviations)
        yield "difference", Estimate(value - value_other, spread.deviations - spread_other.deviations)
        yield "value-sketched", sketched_value(one, target, seed)
        if setting.n >= 100:
            yield "value-rows-read", value_of_rows_read(one, target, setting.n // 2, seed)
        (g, moved, of_gain), (g_other, moved_other, of_other) = (gain(own, target, seed) for own in (one, other))
        yield "gain", Estimate(g, of_gain.deviations)
        gains, ways = (
            np.stack([getattr(own, name) for own in (of_gain, of_other)], axis=1) for name in ("deviations", "displacements")
        )
        trained = run_values([g, g_other], gains, [moved, moved_other], ways)
        if trained.deviations is not None:
            yield "gain-penalised", Estimate(float(trained.values[0]), trained.deviations[:, 0])
        yield "discrepancy", mmd(one, target, seed)
        yield "discrepancy-random-features", embedded_mmd(one, target, seed)
        yield "loss", loss(one, seed)
        yield "ntk", ntk(one, seed)


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
        for seed in range(max(draws // TARGETS_HELD, 2)):
            value, spread = label_value(contributor(pool, rest, setting, drawn), target, seed)
            found.append(Estimate(value, spread.by_rows))
        hits += held(found, truth_of(found, setting))
    return hits


def covered(task: tuple[str, Setting, int]) -> dict[str, list[bool]]:
    """Quantity -> whether the interval of each draw holds what is true, of one setting."""
    name, setting, draws = task
    pool, found = synthetic_pool(POOL_ROWS, *POOLS[name]), defaultdict(list)
    for quantity, estimate in estimates(pool, setting, draws):
        found[quantity].append(estimate)
    hits = {quantity: held(each, truth_of(each, setting)) for quantity, each in found.items()}
    return hits | {"value-contributors-part": contributors_part(pool, setting, draws)}


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--draws", type=int, default=200, help="draws a setting")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    tasks = [(name, setting, given.draws) for name in POOLS for setting in SETTINGS]
    everything: dict[str, list[list[bool]]] = defaultdict(list)
    with ProcessPoolExecutor(given.processes) as workers:
        for (name, setting, _), hits in zip(tasks, workers.map(covered, tasks), strict=True):
            print(name, setting, {quantity: round(float(np.mean(each)), 3) for quantity, each in hits.items()}, flush=True)
            for quantity, each in hits.items():
                everything[quantity].append(each)
    asked = f"{COMMAND} --draws {given.draws}"
    figures = []
    for quantity, each in everything.items():
        shares = [float(np.mean(one)) for one in each]
        figures.append(figure(f"coverage/{quantity}", float(np.mean(shares)), TARGET, "1", asked))
        figures.append(figure(f"coverage/{quantity}, worst setting", min(shares), TARGET, "1", asked))
    write_by_name("first_evening", figures)


if __name__ == "__main__":
    main()
