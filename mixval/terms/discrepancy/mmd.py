"""The discrepancy term of Eq. 8: multi-kernel MMD between a part S and the target T (Gretton et al., JMLR 13, 2012).

Letters: M rows of T, N rows of S, D features, R replicates.

    unbiased:  MMD^2 = sum_{i != j} k(t_i, t_j) / (M (M - 1)) + sum_{i != j} k(s_i, s_j) / (N (N - 1)) - 2 mean k(t_i, s_j)
    biased:    the same with the diagonals in, over M^2 and N^2
    value:     max(MMD^2, 0), its square root when `scale` is "root"

T's own sums are the same for every contributor: `target_statistics` makes them once, with those of T's half-samples, for
`measure_part`. Bandwidths are arguments, so replicates share them. Sums are float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixval.errors import NumericalError
from mixval.terms.arrays import ArrayLike, Floats, Masks, floats, row_masks
from mixval.terms.discrepancy.kernel import Combine, Kernel, KernelSums, cross_sums, make_kernel, self_sums
from mixval.terms.discrepancy.variance import squared_mmd_error

Estimator = Literal["unbiased", "biased"]
Scale = Literal["root", "squared"]


@dataclass(frozen=True)
class MmdEstimate:
    """The MMD between a part and T, with its diagnostics."""

    value: float
    """In kernel units, clamped at 0; the square root of `squared` when asked for."""
    squared: float
    """As estimated: the unbiased one may be below 0."""
    standard_error: float | None
    """Of `squared`; None with fewer than 2 rows on a side. See `variance.py`."""
    n: int
    """Rows of the part."""
    m: int
    """Rows of T."""

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
    masks: Masks
    """(R, M) rows of T that each replicate keeps; R = 0 when none were asked for."""


def target_statistics(
    target: ArrayLike,  # (M, D)
    bandwidths: Sequence[float],
    combine: Combine = "mean",
    target_masks: ArrayLike | None = None,  # (R, M) bool
    block_rows: int = 512,
) -> TargetStatistics:
    """T's kernel sums, for all contributors and replicates. Cost: M^2 kernel values; memory: a few blocks of them.

    Raises NumericalError for no rows, NaN or bad bandwidths, ShapeError for masks that do not fit.
    """
    features = _features("features of T", target)
    masks = _masks("masks of T", target_masks, len(features))
    kernel = make_kernel(features, bandwidths, combine, block_rows)
    centred = kernel.centred(features)
    return TargetStatistics(kernel, centred, self_sums(kernel, centred, masks), masks)


def measure_part(
    target: TargetStatistics,
    part: ArrayLike,  # (N, D)
    estimator: Estimator = "unbiased",
    scale: Scale = "root",
    masks: ArrayLike | None = None,  # (R, N) bool
) -> tuple[MmdEstimate, Floats]:
    """The MMD between a part and T, and (R,) values of it on half-samples, from one pass over the kernel matrices.

    Replicate r compares the rows that `masks[r]` keeps with those of T that `target.masks[r]` keeps. Without masks, R = 0.
    Raises NumericalError when the unbiased estimate would have fewer than 2 rows on a side, ShapeError for inputs that do not
    fit.
    """
    features = target.kernel.centred(_features("features of the part", part))
    kept = _masks("masks of the part", masks, len(features))
    kept_target = target.masks if masks is not None else np.zeros((0, len(target.features)), dtype=np.bool_)
    own = self_sums(target.kernel, features, kept)
    cross = cross_sums(target.kernel, target.features, features, kept_target, kept)
    at_zero, (n, m) = target.kernel.at_zero, (len(features), len(target.features))
    tt, ss, ts = (np.array([sums.total]) for sums in (target.sums, own, cross))
    squared = squared_mmd(tt, ss, ts, np.array([float(m)]), np.array([float(n)]), at_zero, estimator)
    counts = kept_target.sum(axis=1).astype(np.float64), kept.sum(axis=1).astype(np.float64)
    of_target = target.sums.replicates[: len(kept)]
    replicates = squared_mmd(of_target, own.replicates, cross.replicates, *counts, at_zero, estimator)
    value = float(scaled(squared, scale)[0])
    error = squared_mmd_error(target.sums, own, cross)
    return MmdEstimate(value, float(squared[0]), error, n, m), scaled(replicates, scale)


def squared_mmd(tt: Floats, ss: Floats, ts: Floats, m: Floats, n: Floats, at_zero: float, estimator: Estimator) -> Floats:
    """MMD^2 from off-diagonal sums and counts, one entry a replicate. Raises NumericalError as `measure_part` does."""
    if estimator == "biased":
        return (tt + m * at_zero) / m**2 + (ss + n * at_zero) / n**2 - 2 * ts / (m * n)
    for name, counts in (("target set T", m), ("part", n)):
        if (counts < 2).any():
            raise NumericalError(
                f"the unbiased MMD needs at least 2 rows on each side; the {name} (or a half-sample of it) has "
                f"{int(counts.min())}. Raise `gate.min_rows_per_part`, or set `discrepancy.estimator: biased`."
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


def _masks(name: str, given: ArrayLike | None, n_rows: int) -> Masks:
    return np.zeros((0, n_rows), dtype=np.bool_) if given is None else row_masks(name, given, n_rows)
