"""Unigram distributions without zeros: the mass of what was not seen, by Good and Turing, is shared by what was not seen.

    m = n_1 / N         the chance that the next token is one that did not come; n_1 tokens came once
    p(w) = (1 - m) c(w) / N   for c(w) > 0,      m / n_0   for c(w) = 0

Where no token came once, half an occurrence is set aside; and never more than `MOST_MISSING`.
"""

from __future__ import annotations

import numpy as np

MOST_MISSING = 0.5


def missing_mass(counts: np.ndarray) -> float:
    """m of (V,) counts; NaN without tokens."""
    total = counts.sum()
    return float((counts == 1).sum() / total) if total else float("nan")


def smoothed(counts: np.ndarray) -> np.ndarray:
    """(V,) probabilities, all positive. Uniform without tokens."""
    total, unseen = float(counts.sum()), counts == 0
    if not total:
        return np.full(len(counts), 1 / len(counts))
    if not unseen.any():
        return counts / total
    mass = min(MOST_MISSING, max(missing_mass(counts), 0.5 / total))
    return np.where(unseen, mass / unseen.sum(), (1 - mass) * counts / total)
