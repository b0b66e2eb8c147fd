"""The MMD of one part alone, without replicates."""

from collections.abc import Sequence

from mixval.terms.arrays import ArrayLike
from mixval.terms.discrepancy.kernel import Combine
from mixval.terms.discrepancy.mmd import Estimator, MmdEstimate, Scale, measure_part, target_statistics


def mmd(
    target: ArrayLike,  # (M, D)
    part: ArrayLike,  # (N, D)
    bandwidths: Sequence[float],
    combine: Combine = "mean",
    estimator: Estimator = "unbiased",
    scale: Scale = "root",
    block_rows: int = 512,
) -> MmdEstimate:
    return measure_part(target_statistics(target, bandwidths, combine, block_rows), part, estimator, scale)
