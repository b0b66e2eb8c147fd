"""The discrepancy term of Eq. 8: multi-kernel MMD between a part S and the target T (Gretton et al., JMLR 13, 2012).

Letters: M rows of T, N rows of S, D features.

    unbiased:  MMD^2 = sum_{i != j} k(t_i, t_j) / (M (M - 1)) + sum_{i != j} k(s_i, s_j) / (N (N - 1)) - 2 mean k(t_i, s_j)
    biased:    the same with the diagonals in, over M^2 and N^2
    value:     max(MMD^2, 0), its square root when `scale` is "root"

T's own sums are the same for every contributor: `target_statistics` makes them once for `measure_part`. Sums are float64.

Intervals are made of MMD^2, which is nearly linear in the rows, and mapped to the value (`mmd_deviations`): where T and the
part agree, the root of a clamped number is not, and no spread of the root covers what is true. They are tests of MMD^2,
inverted (`variance.py`); the effects of single rows say which part of a deviation contributors share. An estimate below 0
counts as 0 there, so that the interval ends at 0 and reaches as far up as MMD^2 may be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mixval.errors import NumericalError
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.discrepancy.kernel import Combine, Kernel, KernelSums, cross_sums, make_kernel, self_sums
from mixval.terms.discrepancy.variance import SquaredMmdVariance, squared_mmd_variance
from mixval.terms.replicates import Effects, deviations

Estimator = Literal["unbiased", "biased"]
Scale = Literal["root", "squared"]


@dataclass(frozen=True)
class MmdEstimate:
    """The MMD between a part and T, with its diagnostics."""

    value: float
    """In kernel units, clamped at 0; the square root of `squared` when asked for."""
    squared: float
    """As estimated: the unbiased one may be below 0."""
    variance: SquaredMmdVariance | None
    """Of `squared`; None with fewer than 2 rows on a side."""
    n: int
    """Rows of the part."""
    m: int
    """Rows of T."""
    target_moves: Floats = field(compare=False)
    """(M,) how far `squared` falls, to first order, as each row of T leaves; or by groups of rows."""
    part_moves: Floats = field(compare=False)
    """(N,) the same of the part's."""

    @property
    def standard_error(self) -> float | None:
        """Of `squared`; None where its variance is unknown."""
        return None if self.variance is None else self.variance.standard_error

    def diagnostics(self) -> dict[str, float | None]:
        """Diagnostics of the estimate besides its value and its rows."""
        return {"squared": self.squared, "squared_se": self.standard_error}


@dataclass(frozen=True)
class TargetStatistics:
    """What the MMD of every part needs of T: the kernel, the centred features, and sums of k(t_i, t_j) over i != j."""

    kernel: Kernel
    features: Floats
    """(M, D), centred."""
    sums: KernelSums


def target_statistics(
    target: ArrayLike,  # (M, D)
    bandwidths: Sequence[float],
    combine: Combine = "mean",
    block_rows: int = 512,
) -> TargetStatistics:
    """T's kernel sums, for all contributors. Cost: M^2 kernel values; memory: a few blocks of them.

    Raises NumericalError for no rows, NaN or bad bandwidths.
    """
    features = _features("features of T", target)
    kernel = make_kernel(features, bandwidths, combine, block_rows)
    centred = kernel.centred(features)
    return TargetStatistics(kernel, centred, self_sums(kernel, centred))


def measure_part(
    target: TargetStatistics,
    part: ArrayLike,  # (N, D)
    estimator: Estimator = "unbiased",
    scale: Scale = "root",
) -> MmdEstimate:
    """The MMD between a part and T, from one pass over the kernel matrices.

    Raises NumericalError when the unbiased estimate would have fewer than 2 rows on a side, ShapeError for inputs that do not
    fit.
    """
    features = target.kernel.centred(_features("features of the part", part))
    own = self_sums(target.kernel, features)
    cross = cross_sums(target.kernel, target.features, features)
    n, m = len(features), len(target.features)
    squared = squared_mmd(target.sums.total, own.total, cross.total, m, n, target.kernel.at_zero, estimator)
    return MmdEstimate(
        value=float(scaled(np.array(squared), scale)),
        squared=squared,
        variance=squared_mmd_variance(target.sums, own, cross),
        n=n,
        m=m,
        target_moves=row_moves(target.sums.row_sums, cross.row_sums, n),
        part_moves=row_moves(own.row_sums, cross.column_sums, m),
    )


def row_moves(
    within: Floats,  # (N,) sums of k over the set's other rows, or by groups of them
    across: Floats,  # (N,) sums of k over the rows of the other set
    n_other: int,
    counts: Floats | float = 1.0,  # (N,) rows
    n: float | None = None,
) -> Floats:
    """How far MMD^2 falls as each row leaves: 2 / N times its projection k(x, x') - k(x, y), up to a constant."""
    rows = len(within) if n is None else n
    projections = within / max(rows - 1, 1) - across / n_other
    return np.asarray(2 / rows * (projections - counts * projections.sum() / rows))


def mmd_deviations(
    found: MmdEstimate, scale: Scale, target: Floats, part: Floats
) -> Floats:  # (R, M), (R, N) multipliers; (R,)
    """Deviations of the value by the rows of T and of the part; NaN where MMD^2 has no standard error."""
    effects = [
        Effects(moves, multipliers, min(n, len(moves)) - 1.0)
        for moves, multipliers, n in ((found.target_moves, target, found.m), (found.part_moves, part, found.n))
    ]
    if found.variance is None:
        return np.full(len(part), math.nan)
    least = max(found.squared, 0.0)
    moved = found.variance.quantile(least, deviations(effects, 1.0))
    return scaled(moved, scale) - scaled(np.full_like(moved, least), scale)


def squared_mmd(tt: float, ss: float, ts: float, m: int, n: int, at_zero: float, estimator: Estimator) -> float:
    """MMD^2 from off-diagonal sums and counts. Raises NumericalError as `measure_part` does."""
    if estimator == "biased":
        return (tt + m * at_zero) / m**2 + (ss + n * at_zero) / n**2 - 2 * ts / (m * n)
    for name, count in (("target set T", m), ("part", n)):
        if count < 2:
            raise NumericalError(
                f"the unbiased MMD needs at least 2 rows on each side; the {name} has {count}. "
                f"Raise `gate.min_rows_per_part`, or set `discrepancy.estimator: biased`."
            )
    return tt / (m * (m - 1)) + ss / (n * (n - 1)) - 2 * ts / (m * n)


def scaled(squared: Floats, scale: Scale) -> Floats:
    """Values from squared MMDs: clamped at 0, and their root when `scale` asks for it."""
    clamped = np.maximum(squared, 0.0)
    return np.sqrt(clamped) if scale == "root" else clamped


def _features(name: str, given: ArrayLike) -> Floats:
    features = floats(name, given, 2)
    if len(features) == 0:
        raise NumericalError(f"{name}: expected at least one row, found none. Leave empty parts out.")
    return features
