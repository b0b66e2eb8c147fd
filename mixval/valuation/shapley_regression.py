"""Shapley values from random orders: a regression for each size of coalition, and the mean marginals of its residuals.

Letters: K players; S a coalition, z (K,) its membership; d(S) = (v(S) - v(all others)) / 2, known for the S that open an order
(and for those that open its reverse, their complements, where -d holds); h the players of the smaller of the two, at least 1.

    fit       f(S) = c_h + beta_h'(z - h / K), slopes adding up to zero, for the smaller one; -f for its complement
    phi_k   = (v(all) - v()) / K + (1 / (K - 1)) sum over sizes 1 to K - 1 of beta_hk
              + the mean over orders of (d - f)(k and those before k) - (d - f)(those before k)

The first line is the Shapley values of f: kernel SHAP (Lundberg & Lee, NeurIPS 2017) in pairs (Covert & Lee, AISTATS 2021) with
an intercept and slopes for each size. The second is plain sampling of the residuals (Castro et al. 2009, in pairs), so that the
estimate is unbiased however poor f is. Games of size alone, or of players and pairs of them, have no error, however much small
coalitions differ from large ones. Sizes of which too few coalitions are known share slopes, under kernel SHAP's weights; those
of h = 1 are known exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixval.valuation.estimates import Floats

ENOUGH = 5
"""Coalitions a player that slopes of their own need."""
LEAST_DRAWS = 3
"""Orders in which slopes of their own must have seen every player in a coalition: no slope then hangs on one order."""
JACKKNIFE_GROUPS = 32
"""Groups of orders that are left out in turn; one order each while there are no more."""
Sizes = NDArray[np.bool_]
"""(K - 1,) the coalitions of an order that share slopes."""


@dataclass(frozen=True)
class Pairs:
    """Values along random orders and their reverses."""

    orders: NDArray[np.int64]
    """(D, K)."""
    differences: Floats
    """(D, K - 1) d of order[:1], order[:2] and so on."""

    @property
    def members(self) -> NDArray[np.bool_]:
        """(D, K - 1, K) of the smaller of a coalition and its complement."""
        k = self.orders.shape[1]
        opening = np.argsort(self.orders, axis=1)[:, None, :] < np.arange(1, k)[:, None]
        return opening ^ is_turned(k)[:, None]

    def without(self, left_out: NDArray[np.bool_]) -> "Pairs":
        """The same less the orders that `left_out` (D,) marks."""
        return Pairs(self.orders[~left_out], self.differences[~left_out])


def is_turned(k: int) -> Sizes:
    """Of 1 to K - 1, the sizes whose complements are smaller."""
    return np.asarray(2 * np.arange(1, k) > k)


def regressed(pairs: Pairs, alone: Floats, total: float) -> Floats:
    """(K,) Shapley values.

    alone: (K,) d of every single player; total: v(all) - v(). They add up to `total` exactly.
    """
    return _with_bands(pairs, alone, total, _bands(pairs.members))


def jackknife_errors(pairs: Pairs, alone: Floats, total: float) -> Floats:
    """(K,) standard errors of `regressed`, from leaving out one group of orders after another. Takes two orders or more."""
    groups, bands = np.arange(len(pairs.orders)) % JACKKNIFE_GROUPS, _bands(pairs.members)
    n = int(groups.max()) + 1
    found = np.array([_with_bands(pairs.without(groups == group), alone, total, bands) for group in range(n)])
    return np.asarray(np.sqrt((n - 1) / n * ((found - found.mean(axis=0)) ** 2).sum(axis=0)))


def _with_bands(pairs: Pairs, alone: Floats, total: float, bands: list[Sizes]) -> Floats:
    k, members = len(alone), pairs.members
    if k == 1:
        return np.array([total])
    sign = np.where(is_turned(k), -1.0, 1.0)
    differences = sign * pairs.differences
    if k > 3 and not bands:
        return _mean_marginals(pairs.orders, pairs.differences, total)
    fitted = members @ alone  # at h = 1; other sizes follow
    sums = (1 if k == 2 else 2) * (alone - alone.mean())
    for band in bands:
        slopes, fitted[:, band] = _fit(members[:, band], differences[:, band])
        sums = sums + band.sum() * slopes  # an order has one coalition of each size
    return np.asarray(total / k + sums / (k - 1) + _mean_marginals(pairs.orders, sign * (differences - fitted), 0.0))


def _bands(members: NDArray[np.bool_]) -> list[Sizes]:
    """Sizes but 1 and K - 1, as many together as slopes of their own need. None where all are too few."""
    n_draws, _, k = members.shape
    sizes = members[0].sum(axis=1)
    bands, open_band = [], np.zeros(k - 1, dtype=np.bool_)
    for size in range(2, k // 2 + 1):
        open_band = open_band | (sizes == size)
        seen = members[:, open_band].any(axis=1).sum(axis=0)  # (K,) orders
        if n_draws * open_band.sum() >= ENOUGH * k and seen.min() >= LEAST_DRAWS:
            bands.append(open_band)
            open_band = np.zeros_like(open_band)
    return [*bands[:-1], bands[-1] | open_band] if bands else []


def _fit(members: NDArray[np.bool_], differences: Floats) -> tuple[Floats, Floats]:
    """(K,) slopes and (D, S) fitted values of (D, S, K) coalitions. K / 2 has no intercept: it is its own complement."""
    shape, k = differences.shape, members.shape[2]
    rows = members.reshape(-1, k)
    sizes = rows.sum(axis=1, keepdims=True)
    share = sizes / k
    design = np.hstack([rows - share, sizes == [size for size in np.unique(sizes) if 2 * size != k]])
    root = 1 / np.sqrt(share * (1 - share))
    found = np.linalg.lstsq(design * root, differences.reshape(-1) * root[:, 0], rcond=None)[0]
    return found[:k] - found[:k].mean(), (design @ found).reshape(shape)


def _mean_marginals(orders: NDArray[np.int64], differences: Floats, total: float) -> Floats:
    """(K,) by player: the mean of what d of prefixes, from -total / 2 for none to total / 2 for all, gains when it joins."""
    gains = np.diff(differences, axis=1, prepend=-total / 2, append=total / 2)
    return np.asarray(np.take_along_axis(gains, np.argsort(orders, axis=1), axis=1).mean(axis=0))
