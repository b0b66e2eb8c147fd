"""Zipf's law of a corpus' tokens, by maximum likelihood, and the power law of how often tokens come.

    ranks    P(r) = r^-s / sum_{k <= R} k^-s,  r = 1..R
    counts   P(c) = c^-alpha / zeta(alpha, xmin),  c >= xmin   (Clauset, Shalizi and Newman 2009)

Ranks and frequencies from the same tokens agree too well (Piantadosi 2014): ranks are taken from one half of the groups and
frequencies from the other, and the two ways are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import zeta

LOWEST, HIGHEST = 0.05, 6.0
"""Exponents that are looked at."""
_TAIL = 50
"""Distinct counts at the most that are tried as xmin."""
LEAST_IN_TAIL = 10


@dataclass(frozen=True)
class PowerLaw:
    """A power law of counts."""

    alpha: float
    xmin: int
    n_tail: int
    """Tokens whose count is xmin or more."""
    distance: float
    """Kolmogorov-Smirnov distance of the tail from the law."""


def rank_exponent(frequencies: np.ndarray) -> float:
    """s of (R,) frequencies by rank; ranks are the places. NaN for fewer than two ranks or no tokens."""
    total = float(frequencies.sum())
    if len(frequencies) < 2 or total <= 0:
        return float("nan")
    logs = np.log(np.arange(1, len(frequencies) + 1))
    mean_log = float(frequencies @ logs) / total

    def loss(exponent: float) -> float:
        return exponent * mean_log + float(np.log(np.exp(-exponent * logs).sum()))

    return float(minimize_scalar(loss, bounds=(LOWEST, HIGHEST), method="bounded", options={"xatol": 1e-6}).x)


def zipf_exponent(by_group: np.ndarray) -> float:
    """s of (G, V) counts: ranks by every other group, frequencies by the rest, both ways averaged."""
    halves = by_group[::2].sum(axis=0), by_group[1::2].sum(axis=0)
    found = []
    for ranking, other in (halves, halves[::-1]):
        order = np.argsort(-ranking, kind="stable")
        found.append(rank_exponent(other[order][: int((ranking > 0).sum())]))
    return float(np.mean(found))


def count_exponent(counts: np.ndarray, xmin: int = 1) -> float:
    """alpha of (N,) positive counts of `xmin` or more; NaN for fewer than `LEAST_IN_TAIL`, or where all are xmin."""
    tail = counts[counts >= xmin]
    if len(tail) < LEAST_IN_TAIL or tail.max() == xmin:
        return float("nan")
    mean_log = float(np.log(tail).mean())

    def loss(exponent: float) -> float:
        return exponent * mean_log + float(np.log(zeta(exponent, xmin)))

    return float(minimize_scalar(loss, bounds=(1.0 + 1e-6, HIGHEST), method="bounded", options={"xatol": 1e-7}).x)


def power_law(counts: np.ndarray) -> PowerLaw | None:
    """The law of (N,) counts, with the xmin whose tail is nearest to it; None where there are too few tokens."""
    positive = counts[counts > 0]
    values = np.unique(positive)
    if len(values) > _TAIL:  # the ends of the tail are spread evenly on a logarithmic axis
        places = np.unique(np.geomspace(1, len(values), _TAIL).astype(int) - 1)
        values = values[places]
    laws = [law for value in values[:-1].tolist() if (law := _law_from(positive, value)) is not None]
    return min(laws, key=lambda law: law.distance, default=None)


def _law_from(counts: np.ndarray, xmin: int) -> PowerLaw | None:
    alpha = count_exponent(counts, xmin)
    if not np.isfinite(alpha):
        return None
    tail = np.sort(counts[counts >= xmin])
    distinct, first = np.unique(tail, return_index=True)
    empirical = np.append(first[1:], len(tail)) / len(tail)  # P(c <= x)
    modelled = 1 - zeta(alpha, distinct + 1.0) / zeta(alpha, xmin)
    return PowerLaw(alpha, xmin, len(tail), float(np.abs(empirical - modelled).max()))
