"""Rows of an attacker that nearly copy other rows by their features: rows of T (`mixval/terms/discrepancy/near_target.py`,
which a run reports), and earlier rows of its own or of others, which no check of a run covers.

Letters: N rows; M others; D frozen features. Two rows are near where they are closer than RADIUS medians of T's distances.

`kept` marks what a gate could leave: of rows near each other the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixval.terms.arrays import Floats, Masks
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from mixval.terms.discrepancy.near_target import RADIUS, nearest


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
    earlier = np.array([nearest(rows[at : at + 1], rows[:at])[0] if at else np.inf for at in range(len(rows))])
    return NearRows(nearest(rows, target) <= radius, earlier <= radius, nearest(rows, others) <= radius)
