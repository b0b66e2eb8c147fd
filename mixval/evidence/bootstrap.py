"""Intervals and paired tests by resampling contributors, the same resamples for every method of a world.

Letters: B resamples, K contributors, R rivals. A resample draws K contributors with replacement. Percentile intervals and
tests (Efron and Tibshirani 1993, chapters 13 and 16); Holm's step-down correction (Holm 1979).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixval.config.base import FrozenModel
from mixval.errors import ShapeError
from mixval.evidence.comparison_statistics import STATISTICS, check
from mixval.seeds import generator
from mixval.terms.arrays import Floats

LEVEL = 0.95
N_RESAMPLES = 10_000
"""A two-sided p of 2 / 10001 at least: below 0.01 after Holm over 33 rivals."""
Picks = np.ndarray[Any, np.dtype[np.int64]]


class Interval(FrozenModel):
    """A statistic and its bootstrap interval at `LEVEL`."""

    value: float
    low: float
    high: float


def resamples(world: str, n_contributors: int, n: int = N_RESAMPLES, seed: int = 0) -> Picks:
    """(B, K) positions of contributors, the same for the same world, size and seed."""
    if n_contributors < 2 or n < 1:
        raise ShapeError(f"a bootstrap needs two contributors and a resample, found {n_contributors} and {n}. Give it more.")
    return generator(seed, "evidence", "bootstrap", world).integers(n_contributors, size=(n, n_contributors))


def resampled(
    statistic: str,
    scores: Floats,  # (K,)
    truth: Floats,  # (K,)
    picks: Picks,  # (B, K)
) -> Floats:  # (B,)
    """The statistic in every resample. A resample of one contributor alone has no order and correlation 0."""
    check(scores, truth)
    return STATISTICS[statistic](scores[picks], truth[picks])


def interval(value: float, draws: Floats, level: float = LEVEL) -> Interval:
    """The percentile interval of a statistic around its resamples (B,)."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=value, low=float(low), high=float(high))


def two_sided_p(differences: Floats) -> float:  # (B,)
    """Twice the smaller tail of resampled differences beyond 0, the observation counted with them: never 0, at most 1."""
    n = len(differences) + 1
    tails = ((differences <= 0).sum() + 1) / n, ((differences >= 0).sum() + 1) / n
    return float(min(1.0, 2 * min(tails)))


def holm(p_values: Floats) -> Floats:  # (R,)
    """(R,) p-values that hold for all R tests together: the running maximum of (R - i) p_(i), at most 1."""
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
