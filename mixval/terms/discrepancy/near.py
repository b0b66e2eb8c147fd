"""Rows that say what a row of T says, told by their features where their digests differ.

Letters: N rows; M rows of T; D frozen features. A row is near T where it is closer to one of T's than RADIUS medians of T's
distances. Features come from the forward pass that values the rows anyway; distances cost N x M x D products.

Measured on 180 contributors of six worlds, images and texts, ResNets at random initialisation and trained encoders and language
models: no row of theirs is near T. On ten classes of images the nearest one lies at 0.14 medians, seven times the radius; on
sentences at 0.43. Copies of T with one altered pixel are all near it (`benchmarks/evidence/gaming.py`).
"""

from __future__ import annotations

import numpy as np

from mixval.errors import NumericalError
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.discrepancy.bandwidth import median_bandwidth

RADIUS = 0.02
"""Medians of T's distances. An altered copy lies far within, and rows that merely resemble each other outside."""
BLOCK_ROWS = 512


def near_share(rows: ArrayLike, target: ArrayLike) -> float | None:  # (N, D), (M, D)
    """Share of the rows that are near T; None where T's rows have no distance, so that none can be told from another."""
    x, t = floats("features", rows, 2), floats("T's features", target, 2)
    try:
        radius = RADIUS * median_bandwidth(t)
    except NumericalError:
        return None
    return float((nearest(x - t.mean(0), t - t.mean(0)) <= radius).mean()) if len(x) else 0.0


def nearest(rows: Floats, others: Floats) -> Floats:
    """Distances in features (N, D) to the nearest of the others (M, D); infinity where there are none."""
    if not len(others):
        return np.full(len(rows), np.inf)
    norms = (others**2).sum(1)
    found = [_block(rows[low : low + BLOCK_ROWS], others, norms) for low in range(0, len(rows), BLOCK_ROWS)]
    return np.concatenate(found)


def _block(rows: Floats, others: Floats, norms: Floats) -> Floats:
    squared = (rows**2).sum(1)[:, None] + norms[None] - 2 * rows @ others.T
    # Expanding loses half of the digits next to zero, so the distance itself is taken of the nearest.
    nearest = squared.argmin(1)
    return np.asarray(np.linalg.norm(rows - others[nearest], axis=1))
