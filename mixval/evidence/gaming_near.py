"""Rows that say what other rows say, told by their features where their digests differ: a check that the gate does not have.

Letters: N rows; M others; D frozen features. Two rows are near where they are closer than RADIUS medians of T's distances.
Features come from the forward pass that values the rows anyway; distances to T cost N x M x D products.

Measured on 14 contributors of CIFAR-10 with a ResNet at random initialisation: every copy with one altered pixel is near its
source, and no row is near anything in contributors of whom the gate finds nothing.

What the gate could do with it: drop rows near T, as it drops those in T, and of rows near each other keep the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixval.terms.arrays import Floats, Masks
from mixval.terms.discrepancy.bandwidth import median_bandwidth

RADIUS = 0.02
"""Medians of T's distances. An altered copy lies far within, and rows that merely resemble each other outside."""
BLOCK_ROWS = 512


@dataclass(frozen=True)
class NearRows:
    """Which rows of a contributor are near others."""

    target: Masks
    """(N,) near a row of T."""
    earlier: Masks
    """(N,) near an earlier row of the contributor."""
    others: Masks
    """(N,) near a row of another contributor."""

    @property
    def shares(self) -> dict[str, float]:
        """Share of rows by what they are near."""
        return {name: float(getattr(self, name).mean()) for name in ("target", "earlier", "others")}

    @property
    def kept(self) -> Masks:
        """(N,) rows that stay when those near T, or near an earlier own one, are dropped."""
        return ~(self.target | self.earlier)


def near_rows(own: Floats, of_target: Floats, of_others: Floats) -> NearRows:  # (N, D), (M, D), (P, D)
    """Which of a contributor's rows are near T's, its own earlier ones and others'.

    Raises NumericalError where T's median distance is 0.
    """
    radius = RADIUS * median_bandwidth(of_target)
    centre = of_target.mean(0)
    rows, target, others = own - centre, of_target - centre, of_others - centre
    earlier = np.array([_nearest(rows[at : at + 1], rows[:at])[0] if at else np.inf for at in range(len(rows))])
    return NearRows(_nearest(rows, target) <= radius, earlier <= radius, _nearest(rows, others) <= radius)


def _nearest(rows: Floats, others: Floats) -> Floats:  # (N,)
    """Distance to the nearest of the others; infinity where there are none."""
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
