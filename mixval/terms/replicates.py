"""Replicates of an estimate from the effect of each of its rows: the multiplier bootstrap of a linearised estimate.

Letters: N rows of a set; R replicates; u (N,) row effects, how far the estimate moves when a row leaves, less their mean, so
that the sum of u^2 estimates its variance (the infinitesimal jackknife: Jaeckel, Bell Laboratories 1972; Efron and Stein,
Annals of Statistics 9, 1981).

    deviation r = t * sum over rows of xi_ri u_i,     xi ~ N(0, 1) from a hash of (content key, r, seed)

so a row has one xi wherever it is: errors that contributors share, T's above all, cancel when they are compared replicate by
replicate. t is the 97.5 % quantile of Student's distribution over the normal one, at the effects' degrees of freedom, since a
variance from three rows is itself known badly, and so is one that a few large effects make up: a variance V that itself has the
variance W has 2 V^2 / W of them (Satterthwaite, Biometrics Bulletin 2, 1946); of N effects W is N / (N - 1) (sum of u^4 - V^2 /
N), and V and W of several sets add up. The standard deviation of a set of replicates is that of the effects, without the error
of R draws. A set of one row says nothing of its spread: NaN.

Where only sums are stored, rows fall into `GROUPS` groups by a hash of their key, and effects are those of groups. The hash is
splitmix64's finaliser (Steele, Lea, Flood, OOPSLA 2014).
"""

from __future__ import annotations

import functools
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
_HASHED = 1 << 16
"""Keys that are hashed at a time, of all replicates together: half a megabyte."""
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
    """Degrees of freedom of the sum of u^2, N - 1 at most; below 1: the spread is unknown."""

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


def effects_of(moves: Floats, multipliers: Floats, strata: npt.NDArray[np.bool_ | np.int64] | None = None) -> Effects:
    """Effects from (N,) moves of the estimate as each row leaves; rows of several `strata` (N,) are drawn apart.

    The moves are taken about the mean of their stratum, times sqrt(n / (n - 1)).
    """
    values = np.array(moves, dtype=np.float64)
    groups = [np.arange(len(values))] if strata is None else [np.flatnonzero(strata == one) for one in np.unique(strata)]
    if min(map(len, groups), default=0) < LEAST_STRATUM:
        groups = [np.arange(len(values))]
    for rows in groups:
        if len(rows) > 1:
            values[rows] = (values[rows] - values[rows].mean()) * math.sqrt(len(rows) / (len(rows) - 1))
    return Effects(values, multipliers, _freedom(values, float(len(values) - len(groups))))


def eased(moves: Floats, free: Floats) -> Floats:  # (N,), (N,) 0 to 1
    """Exact moves as rows leave, made such that their variance is the mean of the jackknife's and HC2's.

    `free` is 1 less a row's leverage. Of rows that a regression nearly interpolates the jackknife's variance is too high, by
    half or more, and HC2's, which is `free` times as much, next to nothing (MacKinnon and White, Journal of Econometrics 29,
    1985).
    """
    return np.asarray(moves * np.sqrt((1 + free) / 2))


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
    low, high = ends(shifts, confidence)
    return estimate + float(low), estimate + float(high)


def ends(shifts: Floats, confidence: float) -> tuple[Floats, Floats]:  # (R, ...)
    """Lower ends, 0 at most, and upper ones, 0 at least, of deviations' middle `confidence`; NaN where a spread is unknown.

    Quantile p is the p (R + 1)th smallest, below which a further deviate falls with probability p; other rules are as narrow as
    that of fewer percents (Davison and Hinkley, Bootstrap Methods, 1997, section 2.4).
    """
    low, high = np.quantile(shifts, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0, method="weibull")
    return np.minimum(low, 0.0), np.maximum(high, 0.0)


def student_factor(freedom: float) -> float:
    """Student's quantile at `TAIL` over the normal one: 6.5 at 1 degree of freedom, 1.04 at 30."""
    return float(special.stdtrit(max(freedom, 1.0), TAIL) / special.ndtri(TAIL))


def _freedom(effects: Floats, most: float) -> float:
    """Degrees of freedom of the sum of squares of (N,) effects."""
    n, squares = len(effects), effects**2
    if n < 2 or not (largest := float(squares.max())) > 0:
        return most
    shares = squares / largest
    of_sum = (float((shares**2).sum()) - float(shares.sum()) ** 2 / n) * n / (n - 1)
    return min(2 * float(shares.sum()) ** 2 / of_sum, most) if of_sum > 0 else most


def row_multipliers(keys: Keys, replicates: int, seed: int) -> Floats:
    """(replicates, N) standard normal multipliers of rows with these content keys (N,) uint64, whatever their order."""
    if keys.ndim != 1 or keys.dtype != np.uint64:
        raise ShapeError(f"multipliers: expected (N,) uint64 keys, found {keys.dtype} {keys.shape}.")
    drawn, seeds = np.empty((replicates, keys.size)), _replicate_seeds(replicates, seed)
    together = max(_HASHED // max(keys.size, 1), 1)
    for first in range(0, replicates, together):
        some = slice(first, first + together)
        hashed = splitmix64(keys ^ seeds[some, None])
        # The upper 52 bits, at the middle of their interval: never 0 or 1.
        drawn[some] = special.ndtri(((hashed >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52)
    return drawn


@functools.lru_cache(maxsize=8)
def _replicate_seeds(replicates: int, seed: int) -> Keys:
    """(replicates,), not to be changed."""
    found = np.array([derive_seed("multipliers", seed, replicate) for replicate in range(replicates)], dtype=np.uint64)
    found.setflags(write=False)
    return found


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
