"""Shares of pieces from counts, with a tail for those that were not seen.

    coverage  C = 1 - (f1 / n) ((n - 1) f1) / ((n - 1) f1 + 2 f2)        f1, f2: pieces seen once, twice (Chao and Jost 2012)
              Good-Turing: C = 1 - f1 / n
    unseen    f0 = f1^2 / (2 f2), or f1 (f1 - 1) / 2 without f2, times (n - 1) / n        (Chao 1984, a lower bound)

Seen pieces share C by their counts, unseen ones share 1 - C evenly.
"""

from __future__ import annotations

import math

import numpy as np

from mixval.errors import ShapeError
from mixval.scaling.laws import Floats


def coverage(counts: Floats) -> float:
    """Share of the distribution that the seen pieces hold."""
    n, once, twice = _numbers(counts)
    if once == 0:
        return 1.0
    if twice == 0:
        return 1.0 - once / n
    return 1.0 - once / n * ((n - 1) * once) / ((n - 1) * once + 2 * twice)


def unseen_pieces(counts: Floats) -> int:
    """How many pieces there are at least beside those seen."""
    n, once, twice = _numbers(counts)
    missing = once**2 / (2 * twice) if twice else once * (once - 1) / 2
    return math.ceil((n - 1) / n * missing)


def shares(counts: Floats) -> Floats:
    """Shares of seen pieces, largest first, then of unseen ones; they sum to 1."""
    seen = np.sort(np.asarray(counts, dtype=float)[np.asarray(counts) > 0])[::-1]
    covered, missing = coverage(counts), unseen_pieces(counts)
    if missing == 0:
        alone: Floats = seen / seen.sum()
        return alone
    return np.concatenate([covered * seen / seen.sum(), np.full(missing, (1 - covered) / missing)])


def _numbers(counts: Floats) -> tuple[int, int, int]:
    found = np.asarray(counts)
    if len(found) == 0 or np.any(found < 0) or np.any(found != np.round(found)) or found.sum() < 1:
        raise ShapeError(
            "counts: expected whole numbers of which some are positive, found others. Give how often each was seen."
        )
    return int(found.sum()), int(np.sum(found == 1)), int(np.sum(found == 2))
