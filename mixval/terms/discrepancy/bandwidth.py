"""The median heuristic: the median distance between two rows of T (Gretton et al., JMLR 13, 2012, section 8)."""

import numpy as np

from mixval.errors import NumericalError
from mixval.terms.arrays import ArrayLike, Floats, floats

MAX_ROWS = 2000
"""The first rows as passed, at most: two million pairs determine a median well."""
SAME_POINT = 1e-13
"""Squared distance, relative to the rows' squared norms, below which two rows are equal up to rounding."""


def median_bandwidth(features: ArrayLike) -> float:
    """The median of |x_i - x_j| over pairs i < j of T's features (M, D), in feature units.

    Where it is 0, because most rows coincide, over pairs that differ; where none do, the rows' length, or 1 for rows at the
    origin: any width tells such a target from parts elsewhere. Raises NumericalError for fewer than 2 rows.
    """
    distances, length = _distances(features)
    median = float(np.median(distances))
    apart = distances[distances > 0]
    return median or (float(np.median(apart)) if apart.size else length or 1.0)


def has_repeated_rows(features: ArrayLike) -> bool:
    """Whether so many rows of T (M, D) coincide that their median distance is 0. Raises as `median_bandwidth`."""
    return not float(np.median(_distances(features)[0]))


def _distances(features: ArrayLike) -> tuple[Floats, float]:
    """Distances of pairs i < j, and the rows' root mean square length."""
    x = floats("features of T", features, 2)[:MAX_ROWS]
    if len(x) < 2:
        raise NumericalError(f"the median bandwidth needs at least 2 rows of T, found {len(x)}. Give a larger target set.")
    length = float(np.sqrt((x**2).sum(axis=1).mean()))
    x = x - x.mean(axis=0)
    norms = (x**2).sum(axis=1)
    upper = np.triu_indices(len(x), 1)
    scale = (norms[:, None] + norms[None, :])[upper]
    squared = scale - 2 * (x @ x.T)[upper]
    squared[squared <= SAME_POINT * scale] = 0.0
    return np.sqrt(squared), length
