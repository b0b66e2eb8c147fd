"""Rows of a contributor that nearly copy a row of T: features close to T's, whether or not the digests agree.

Letters: N rows; M rows of T; D frozen features. A row is near T where it is closer to one of T's than RADIUS medians of T's
distances. Features come from the forward pass that values the rows anyway; distances cost N x M x D products. Distances of
rows that were not copied are in docs/laboratory.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixval.errors import NumericalError
from mixval.terms.arrays import ArrayLike, Floats, Masks, floats
from mixval.terms.discrepancy.bandwidth import median_bandwidth

RADIUS = 0.02
"""Medians of T's distances. An altered copy is well within; rows that merely resemble each other are outside."""
BLOCK_ROWS = 512


@dataclass(frozen=True)
class Neighbourhood:
    """T's features and the radius within which a row is near T. Made by `neighbourhood`, once for all contributors."""

    centre: Floats
    """(D,) mean of T's features, subtracted from all: far from the origin distances would be rounding errors."""
    target: Floats
    """(M, D) T's features less their mean."""
    radius: float | None
    """In feature units. None: all distances within T are 0, and no radius can be set."""

    def near(self, rows: ArrayLike) -> Masks | None:  # (N, D)
        """(N,) which rows are near T; None without a radius. Raises NumericalError for NaN or infinite features."""
        moved = floats("features", rows, 2) - self.centre
        return None if self.radius is None else np.asarray(nearest(moved, self.target) <= self.radius)

    def count(self, rows: ArrayLike) -> int | None:  # (N, D)
        """How many rows are near T. As `near`."""
        found = self.near(rows)
        return None if found is None else int(found.sum())


def neighbourhood(target: ArrayLike) -> Neighbourhood:  # (M, D)
    """The neighbourhood of T."""
    features = floats("T's features", target, 2)
    centre = features.mean(0)
    try:
        radius = RADIUS * median_bandwidth(features)
    except NumericalError:
        radius = None
    return Neighbourhood(centre, features - centre, radius)


def nearest(rows: Floats, others: Floats) -> Floats:
    """Distances in features (N, D) to the nearest of the others (M, D); infinity where there are none."""
    if not len(rows) or not len(others):
        return np.full(len(rows), np.inf)
    norms = (others**2).sum(1)
    found = [_block(rows[low : low + BLOCK_ROWS], others, norms) for low in range(0, len(rows), BLOCK_ROWS)]
    return np.concatenate(found)


def _block(rows: Floats, others: Floats, norms: Floats) -> Floats:
    squared = (rows**2).sum(1)[:, None] + norms[None] - 2 * rows @ others.T
    # The expanded square loses half of the digits next to zero, so the distance to the nearest row is computed directly.
    nearest = squared.argmin(1)
    return np.asarray(np.linalg.norm(rows - others[nearest], axis=1))
