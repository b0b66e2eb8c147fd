"""Our ranking against its rivals over worlds: means, margins and where it loses, for one form of truth.

Intervals are of the mean over *worlds*: clusters of worlds are resampled with replacement, those of one data set and design
together, since they share pools of rows and what is planted (Efron and Tibshirani 1993, chapter 8). So an interval speaks of
other worlds of this kind, not of other contributors in these. With few clusters a percentile interval is somewhat narrow.
A rival is compared on the worlds in which it has scores, and ours on the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.evidence.distribution.results import DistributionResult
from mixval.errors import ContractError
from mixval.evidence.bootstrap import N_RESAMPLES, Interval, interval
from mixval.evidence.comparison import OURS, STATISTIC, VARIANTS
from mixval.evidence.comparison_statistics import of_world
from mixval.seeds import generator
from mixval.terms.arrays import Floats

FEWEST_CLUSTERS = 4
"""With fewer there is no interval: resamples of two or three clusters cannot say how far off a mean is."""
NEAR = 0.005
"""Spearman correlations this near count as neither won nor lost."""


@dataclass(frozen=True)
class Rival:
    """One rival over the worlds in which it has scores."""

    method: str
    mean: Interval
    """Over those worlds. Ends are NaN for fewer than `FEWEST_CLUSTERS`."""
    margin: Interval
    """Ours less the rival's, likewise."""
    by_task: dict[str, float]
    """Task -> its mean."""
    margins: dict[str, float]
    """World -> ours less the rival's."""

    @property
    def record(self) -> tuple[int, int]:
        """Worlds in which ours is above it, and below."""
        return record(self.margins.values())


@dataclass(frozen=True)
class OverWorlds:
    """One form of truth over worlds."""

    form: str
    worlds: list[DistributionResult]
    """Those that have it."""
    mean: Interval
    """Of ours."""
    by_task: dict[str, float]
    spearman: dict[str, float]
    """World -> ours."""
    agreement: float
    """Of two trainings, mean over worlds."""
    rivals: list[Rival]
    """The best margin against ours first."""

    def losses(self, least: float) -> list[tuple[str, Rival]]:
        """(world, its best rival) wherever that is above ours by `least`, the largest gap first."""
        found = []
        for world in self.spearman:
            behind = [one for one in self.rivals if one.margins.get(world, 0.0) <= -least]
            if behind:
                found.append((world, min(behind, key=lambda one: one.margins[world])))
        return sorted(found, key=lambda pair: pair[1].margins[pair[0]])


def record(margins: Iterable[float]) -> tuple[int, int]:
    """How many margins are won, and how many lost."""
    found = np.array(list(margins), dtype=np.float64)
    return int((found > NEAR).sum()), int((found < -NEAR).sum())


def over_worlds(
    results: Sequence[DistributionResult], form: str, ours: str = OURS, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> OverWorlds:
    """Everything that table, page and figures say of one form of truth. Raises ContractError where no world has it and ours."""
    worlds = [one for one in results if form in one.truth and ours in one.scores]
    if not worlds:
        raise ContractError(f"expected worlds with truth {form!r} and scores of {ours!r}, found none. Measure some first.")
    held = {one.world: one for one in worlds}
    values: dict[str, dict[str, float]] = {}
    for one in worlds:
        truth = one.mean_truth(form)
        for method, scores in one.scores.items():
            values.setdefault(method, {})[one.world] = of_world(STATISTIC, np.array(scores, dtype=np.float64), truth)

    def with_interval(of: dict[str, float]) -> Interval:
        clusters, mean = [held[name].cluster for name in of], float(np.mean(list(of.values())))
        if len(set(clusters)) < FEWEST_CLUSTERS:
            return Interval(value=mean, low=math.nan, high=math.nan)
        return interval(mean, clustered_means(np.array(list(of.values())), clusters, n_resamples, seed))

    rivals = []
    for method in sorted(set(values) - ({*VARIANTS} if ours in VARIANTS else {ours})):
        margins = {world: values[ours][world] - value for world, value in values[method].items()}
        rivals.append(
            Rival(method, with_interval(values[method]), with_interval(margins), _by_task(values[method], held), margins)
        )
    rivals.sort(key=lambda one: (one.margin.value, one.method))
    agreement = float(np.mean([one.agreement(form) for one in worlds]))
    return OverWorlds(form, worlds, with_interval(values[ours]), _by_task(values[ours], held), values[ours], agreement, rivals)


def clustered_means(values: Floats, clusters: Sequence[str], n: int, seed: int = 0) -> Floats:
    """(n,) means of values (W,), one of each world, with whole clusters resampled; all worlds of the clusters drawn count."""
    names = sorted(set(clusters))
    place = {name: at for at, name in enumerate(names)}
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for value, cluster in zip(values, clusters, strict=True):
        sums[place[cluster]] += value
        counts[place[cluster]] += 1
    picks = generator(seed, "distribution", "bootstrap").integers(len(names), size=(n, len(names)))
    means: Floats = sums[picks].sum(1) / counts[picks].sum(1)
    return means


def by_design(found: OverWorlds, rival: Rival, of: Callable[[DistributionResult], str]) -> dict[str, tuple[int, int]]:
    """Worlds won and lost against a rival, by what `of` says of a world."""
    groups: dict[str, list[float]] = {}
    for one in found.worlds:
        if one.world in rival.margins:
            groups.setdefault(of(one), []).append(rival.margins[one.world])
    return {name: record(margins) for name, margins in sorted(groups.items())}


def _by_task(of: dict[str, float], held: dict[str, DistributionResult]) -> dict[str, float]:
    tasks = sorted({held[world].task for world in of})
    return {task: float(np.mean([value for world, value in of.items() if held[world].task == task])) for task in tasks}
