"""The median heuristic: the median distance between two rows of T (Gretton et al., JMLR 13, 2012, section 8)."""

import numpy as np

from mixval.errors import NumericalError
from mixval.terms.arrays import ArrayLike, floats

MAX_ROWS = 2000
"""The first rows as passed, at most: two million pairs determine a median well."""
SAME_POINT = 1e-13
"""Squared distance, relative to the rows' squared norms, below which two rows are equal up to rounding."""


def median_bandwidth(features: ArrayLike) -> float:
    """The median of |x_i - x_j| over pairs i < j of T's features (M, D), in feature units.

    Raises NumericalError for fewer than 2 rows, or when the median is 0 because rows coincide.
    """
    x = floats("features of T", features, 2)[:MAX_ROWS]
    if len(x) < 2:
        raise NumericalError(f"the median bandwidth needs at least 2 rows of T, found {len(x)}. Give a larger target set.")
    x = x - x.mean(axis=0)
    norms = (x**2).sum(axis=1)
    upper = np.triu_indices(len(x), 1)
    scale = (norms[:, None] + norms[None, :])[upper]
    squared = scale - 2 * (x @ x.T)[upper]
    squared[squared <= SAME_POINT * scale] = 0.0
    median = float(np.median(np.sqrt(squared)))
    if median == 0.0:
        share = float((squared == 0).mean())
        what = "T's features are all equal" if share == 1 else f"{share:.0%} of T's pairs of rows have equal features"
        raise NumericalError(
            f"the median distance within T is 0: {what}. Give a target set with distinct rows, or write out "
            f"`discrepancy.bandwidths`."
        )
    return median
