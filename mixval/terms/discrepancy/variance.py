"""The standard error of an estimated squared MMD, right both when T and the part differ and when they do not.

Letters: M rows x of T, N rows y of the part. Hoeffding's decomposition of the unbiased estimate U gives

    var U = 4 z_t / M + 4 z_s / N + V2,    V2 = 2 e_tt / (M (M - 1)) + 2 e_ss / (N (N - 1)) + 4 e_ts / (M N)

with z the variance of the projections h(x) = E k(x, x') - E k(x, y) and h(y) likewise, and e the variance of k less its two
projections (Serfling 1980, section 5.2; Gretton et al., JMLR 13, 2012). The variance of *estimated*
projections is too large by their own noise, e_tt / (M - 1) + e_ts / N for x and likewise for y, which in the first two terms
sums to exactly 2 V2. So var U is estimated by (plug-in first order) - V2, and by V2 where that is larger: where the two sets
agree, the first order vanishes and V2 is all there is. The larger one is too wide there, by a fifth of the standard error
(measured: Gaussian rows, M = N = 40), and not at all once the sets differ. The biased estimate has the same limit.
"""

import math
from dataclasses import dataclass

import numpy as np

from mixval.terms.arrays import Floats
from mixval.terms.discrepancy.kernel import KernelSums

TYPICAL_GROWTH = 1.0
"""k over sqrt(V2) where U tells nothing of it. A difference along the widest direction of the features has 2.8 at most."""
FEW = 5
"""Rows below which a set's own variances are not trusted."""
KNOWN_FROM = 4.0
"""U over sqrt(V2) from which k is as estimated."""


@dataclass(frozen=True)
class SquaredMmdVariance:
    """The variance of an estimated squared MMD, and of other ones that T and the part might have, in kernel units squared."""

    first: float
    """Plug-in first order, with its own noise in it."""
    second: float
    """V2."""

    @property
    def standard_error(self) -> float:
        """Of the estimate."""
        return math.sqrt(max(self.first - self.second, self.second))

    def quantile(self, estimate: float, deviates: Floats) -> Floats:
        """The squared MMD u, for each deviate z, that is z of its own standard errors from the estimate U.

        Solved from (u - U) / sqrt(V2 + k u) = z: an interval holds every u that a test at that level does not refuse (Wilson's
        construction, JASA 22, 1927). The variance grows with u, since projections are in proportion to the distance. k is
        estimated at U; the nearer U is to what chance alone gives, the more weight has `TYPICAL_GROWTH`, as k is noise there.
        """
        chance = math.sqrt(self.second)
        if chance == 0:
            return np.full_like(deviates, estimate)
        weight = min(1.0, max(estimate, 0.0) / (KNOWN_FROM * chance))
        found = max(self.first - 2 * self.second, 0.0) / max(estimate, chance)
        k = weight * found + (1 - weight) * max(found, TYPICAL_GROWTH * chance)
        half = deviates * k / 2
        return np.asarray(estimate + deviates * (half + np.sqrt(self.second + k * max(estimate, 0.0) + half**2)))


def squared_mmd_variance(target: KernelSums, part: KernelSums, cross: KernelSums) -> SquaredMmdVariance | None:
    """The variance of the squared MMD; None with fewer than 2 rows on a side.

    `target` and `part` are sums without the diagonal; `cross` has T in rows (M, N).
    """
    m, n = target.row_sums.size, part.row_sums.size
    if m < 2 or n < 2:
        return None
    over_t = target.row_sums / (m - 1) - cross.row_sums / n
    over_s = part.row_sums / (n - 1) - cross.column_sums / m
    of_t, of_s = _variance(over_t), _variance(over_s)
    # Two rows may be alike by chance: such a set is taken to vary at least as the other does.
    of_t, of_s = (of_t if m >= FEW else max(of_t, of_s)), (of_s if n >= FEW else max(of_t, of_s))
    first = 4 * of_t / m + 4 * of_s / n
    second = 2 * _rest_within(target) / (m * (m - 1)) + 2 * _rest_within(part) / (n * (n - 1))
    second += 4 * _rest_across(cross) / (m * n)
    return SquaredMmdVariance(first, second)


def _rest_within(sums: KernelSums) -> float:
    """e of one set with itself: var k = 2 z + e, and the variance of row means is z + e / (n - 1)."""
    n = sums.row_sums.size
    pairs = n * (n - 1)
    whole = sums.squares / pairs - (sums.total / pairs) ** 2
    if n < FEW:  # too few rows to separate the parts of the variance: all of it is taken, which is too wide if anything
        return max(whole, 0.0)
    return max((whole - 2 * _variance(sums.row_sums / (n - 1))) / (1 - 2 / (n - 1)), 0.0)


def _rest_across(sums: KernelSums) -> float:
    """e of two sets: var k = z_row + z_column + e, and the variance of row means is z_row + e / (columns)."""
    m, n = sums.row_sums.size, sums.column_sums.size
    whole = sums.squares / (m * n) - (sums.total / (m * n)) ** 2
    if min(m, n) < 4:
        return max(whole, 0.0)
    explained = _variance(sums.row_sums / n) + _variance(sums.column_sums / m)
    return max((whole - explained) / (1 - 1 / m - 1 / n), 0.0)


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1))
