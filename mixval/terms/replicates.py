"""Replicates of an estimate from the effect of each of its rows: the multiplier bootstrap of a linearised estimate.

Letters: N rows of a set; R replicates; u (N,) row effects, how far the estimate moves when a row leaves, less their mean, so
that the sum of u^2 estimates its variance (the infinitesimal jackknife: Jaeckel, Bell Laboratories 1972; Efron and Stein,
Annals of Statistics 9, 1981).

    deviation r = t * sum over rows of xi_ri u_i,     xi ~ N(0, 1) from a hash of (content key, r, seed)

so a row has one xi wherever it is: errors that contributors share, T's above all, cancel when they are compared replicate by
replicate. t is the 97.5 % quantile of Student's distribution over the normal one, at the effects' degrees of freedom (Welch and
Satterthwaite's for several sets): a variance from three rows is itself known badly. The standard deviation of a set of
replicates is that of the effects, without the error of R draws. A set of one row says nothing of its spread: NaN.

Where only sums are stored, rows fall into `GROUPS` groups by a hash of their key, and effects are those of groups. The hash is
splitmix64's finaliser (Steele, Lea, Flood, OOPSLA 2014).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from mixval.errors import ShapeError
from mixval.seeds import derive_seed, generator
from mixval.terms.arrays import Floats

Keys = npt.NDArray[np.uint64]
GROUPS = 32
"""Groups of rows whose sums are stored. Standard errors from them are off by an eighth; by a quarter where two sets agree."""
LEAST_STRATUM = 4
"""Rows below which a part has no mean of its own: its effects are taken about the mean of all rows."""
TAIL = 0.975
"""Where Student's quantile is taken: an interval's upper end at the default confidence."""


@dataclass(frozen=True)
class Effects:
    """Effects of the rows, or of groups of rows, of one set on one estimate, each with its multipliers."""

    values: Floats
    """(N,) u."""
    multipliers: Floats
    """(R, N) xi."""
    freedom: float
    """Degrees of freedom of the sum of u^2; below 1: the spread is unknown."""

    def __post_init__(self) -> None:
        """Refuse effects of other rows than the multipliers'."""
        if self.values.ndim != 1 or self.multipliers.shape[1:] != self.values.shape:
            raise ShapeError(
                f"row effects: expected (N,) effects and (R, N) multipliers, found {self.values.shape} and "
                f"{self.multipliers.shape}. Take both from the same rows."
            )

    @property
    def variance(self) -> float:
        """Of the estimate, by these rows."""
        return float((self.values**2).sum())

    def scaled(self, factor: float) -> Effects:
        """The effects times a factor."""
        return Effects(self.values * factor, self.multipliers, self.freedom)


def effects_of(moves: Floats, multipliers: Floats, strata: npt.NDArray[np.bool_] | None = None) -> Effects:
    """Effects from (N,) moves of the estimate as each row leaves; rows of the two `strata` are drawn apart.

    The moves are taken about the mean of their stratum, times sqrt(n / (n - 1)).
    """
    values, freedom = np.array(moves, dtype=np.float64), float(len(moves) - 1)
    groups = [] if strata is None else [np.flatnonzero(strata), np.flatnonzero(~strata)]
    apart = len(groups) == 2 and min(len(rows) for rows in groups) >= LEAST_STRATUM
    for rows in groups if apart else [np.arange(len(values))]:
        if len(rows) > 1:
            values[rows] = (values[rows] - values[rows].mean()) * math.sqrt(len(rows) / (len(rows) - 1))
    return Effects(values, multipliers, freedom - apart)


def deviations(sets: Sequence[Effects], standard_error: float | None = None) -> Floats:
    """(R,) deviations of an estimate by the rows of these sets; NaN where their spread is unknown.

    With `standard_error` the replicates have that one, and the effects only say who shares it.
    """
    count = len(sets[0].multipliers)
    if count == 0:
        return np.zeros(0)
    variances = [one.variance for one in sets]
    total = math.sqrt(sum(variances))
    wanted = total if standard_error is None else standard_error
    if not math.isfinite(wanted) or any(one.freedom < 1 for one in sets):
        return np.full(count, math.nan)
    drawn = np.sum([one.multipliers @ one.values for one in sets], axis=0)
    drawn = drawn - drawn.mean()
    size = float(drawn.std(ddof=1))
    if wanted == 0 or size == 0:
        return np.zeros(count)
    shares = [variance**2 / one.freedom for variance, one in zip(variances, sets, strict=True)]
    return np.asarray(drawn * (wanted / size * student_factor(total**4 / sum(shares))))


def interval(estimate: float, shifts: Floats, confidence: float) -> tuple[float | None, float | None]:
    """The estimate and the quantiles of its (R,) deviations, which are mapped as the estimate is (percentile interval).

    None without replicates, and where the spread is unknown. The estimate is always in it.
    """
    if len(shifts) == 0 or not np.isfinite(shifts).all():
        return None, None
    low, high = np.quantile(shifts, [(1 - confidence) / 2, (1 + confidence) / 2])
    return estimate + min(float(low), 0.0), estimate + max(float(high), 0.0)


def student_factor(freedom: float) -> float:
    """Student's quantile at `TAIL` over the normal one: 6.5 at 1 degree of freedom, 1.04 at 30."""
    return float(special.stdtrit(max(freedom, 1.0), TAIL) / special.ndtri(TAIL))


def row_multipliers(keys: Keys, replicates: int, seed: int) -> Floats:
    """(replicates, N) standard normal multipliers of rows with these content keys (N,) uint64, whatever their order."""
    if keys.ndim != 1 or keys.dtype != np.uint64:
        raise ShapeError(f"multipliers: expected (N,) uint64 keys, found {keys.dtype} {keys.shape}.")
    drawn = np.empty((replicates, keys.size))
    for replicate in range(replicates):
        hashed = splitmix64(keys ^ np.uint64(derive_seed("multipliers", seed, replicate)))
        # The upper 52 bits, at the middle of their interval: never 0 or 1.
        drawn[replicate] = special.ndtri(((hashed >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52)
    return drawn


def group_multipliers(replicates: int, seed: int) -> Floats:
    """(replicates, GROUPS) standard normal multipliers of row groups, the same for T and all contributors."""
    return np.asarray(generator("group-multipliers", seed).normal(size=(replicates, GROUPS)))


def row_groups(keys: Keys, seed: int) -> npt.NDArray[np.int64]:
    """(N,) group of each row, 0 to GROUPS - 1, from its content key: equal rows share one, wherever they are."""
    return (splitmix64(keys ^ np.uint64(derive_seed("embedding-groups", seed))) % np.uint64(GROUPS)).astype(np.int64)


def splitmix64(keys: Keys) -> Keys:
    """The splitmix64 hash of each key, (N,) uint64: a bijection whose output bits look independent of the input's."""
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
