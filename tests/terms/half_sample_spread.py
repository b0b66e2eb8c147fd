"""What replicates of half-samples say of the whole's estimate, by its deviations: a standard error, and an interval."""

import numpy as np

from mixval.terms.arrays import ArrayLike
from mixval.terms.half_samples import deviations


def spread(replicates: ArrayLike, n: int, m: int) -> float:
    """Of (R,) replicates on m of n rows."""
    return float(deviations(replicates, n, m).std(ddof=1))


def interval(estimate: float, replicates: ArrayLike, n: int, m: int, confidence: float) -> tuple[float, float]:
    """The estimate less the quantiles of its deviations."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(deviations(replicates, n, m), [tail, 1 - tail])
    return estimate - float(high), estimate - float(low)
