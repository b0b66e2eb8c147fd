"""Intervals of statistics of counts, by leaving out each group of documents in turn.

With theta_(g) the statistic without group g of G, the deviation is that of the delete-a-group jackknife,

    sigma^2 = (G - 1) / G * sum_g (theta_(g) - mean)^2,

and the interval theta -+ t_{G - 1} sigma: what another draw of as many documents would give. Documents are taken as
independent; equal ones are of one group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from mixval.corpus.counts import CorpusCounts, Replicate

LEVEL = 0.95
LEAST_GROUPS = 5
"""Groups with documents, for intervals."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN where there is none, and where it cannot be told."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return bool(np.isfinite(self.value))


def estimates(counts: CorpusCounts, statistics: Callable[[Replicate], Mapping[str, float]]) -> dict[str, Estimate]:
    """Each statistic of all documents, with its interval; without one where too few groups have documents."""
    whole = statistics(counts.without(None))
    held = np.flatnonzero(counts.sizes[0])
    if len(held) < LEAST_GROUPS:
        return {name: Estimate(value) for name, value in whole.items()}
    left_out = [statistics(counts.without(int(group))) for group in held]
    return {name: interval(value, np.array([one[name] for one in left_out])) for name, value in whole.items()}


def interval(value: float, left_out: np.ndarray) -> Estimate:
    """The estimate from the statistic of all and those without each group."""
    if not np.isfinite(value) or not np.isfinite(left_out).all():
        return Estimate(value)
    n_groups = len(left_out)
    deviation = float(np.sqrt((n_groups - 1) / n_groups * ((left_out - left_out.mean()) ** 2).sum()))
    wide = float(student.ppf((1 + LEVEL) / 2, n_groups - 1)) * deviation
    return Estimate(value, value - wide, value + wide)
