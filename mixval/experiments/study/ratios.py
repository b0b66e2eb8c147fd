"""The good ratio of synthetic text at a size and budget, with what the draws of `evaluated.py` leave open.

Letters: R ratios of one kind of synthetic text, the first of them 0; B draws of their losses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixval.scaling.laws import Floats

LEVEL = 0.9
MOST_LEFT = 0.5
"""Share of the ratios that were tried: where an interval holds more of them, which is good cannot be said."""


@dataclass(frozen=True)
class Good:
    """The ratio of least loss."""

    at: int
    """Position of the least mean loss."""
    low: int
    high: int
    """Positions between which the least loss lies in `LEVEL` of the draws."""
    shares: list[float]
    """Of the draws in which each ratio has the least loss."""
    reason: str
    """Why no ratio is said to be good; empty where one is."""


def good_ratio(losses: Floats, draws: Floats, n_replicates: int) -> Good:
    """Of mean losses (R,) and draws (B, R)."""
    least = np.argmin(draws, axis=1)
    shares = np.bincount(least, minlength=len(losses)) / len(draws)
    summed = np.cumsum(shares)
    tail = (1 - LEVEL) / 2
    low = int(np.flatnonzero(summed > tail)[0])
    high = int(np.flatnonzero(summed >= 1 - tail - 1e-12)[0])
    return Good(int(np.argmin(losses)), low, high, shares.tolist(), _reason(low, high, len(losses), n_replicates))


def _reason(low: int, high: int, n_ratios: int, n_replicates: int) -> str:
    if n_replicates < 2:
        return "one replicate says nothing of the noise between trainings"
    if (left := high - low + 1) > max(MOST_LEFT * n_ratios, 1):
        return f"{left} of {n_ratios} ratios lie within the interval"
    return ""


def slope(tokens: Floats, gaps: Floats) -> Floats:
    """(B,) least-squares change of gaps (B, J) a doubling of tokens (J,)."""
    at = np.log2(tokens)
    centred = at - at.mean()
    found: Floats = gaps @ centred / (centred @ centred)
    return found
