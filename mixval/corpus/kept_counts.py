"""How likely synthetic counts are, where a part g of each of a reference's shares is kept, for many g at once.

Letters: B sums; C candidates g; J nodes of `frequencies.Shares`.

A count has mean scale * m * g(m) and variance mean + (phi - 1) mean + other * mean^2: `other` is how much things are more or
less frequent for other reasons. First everything is summed over things of like reference counts, whose sums have that variance
and that of the shares given these counts; scale and `other` are fitted to these sums. Where a thing comes several times it
counts by itself: at a hard cut it is there or not, which is no negative binomial count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from mixval.corpus.frequencies import Shares

OTHERWISE = (0.0, 0.002, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of `other` that are looked at."""
LEAST_EXPECTED = 4.0
"""Synthetic counts that a sum would have if all were kept."""
MOST_SUMS = 120
NEGLIGIBLE = 1e-5
"""Of the largest probability of a node: below it nodes are left out."""
LEAST_MEAN, LEAST_PROBABILITY = 1e-9, 1e-300
ROUNDS = 6


@dataclass(frozen=True)
class Sums:
    """Sums over things of like counts."""

    observed: np.ndarray
    """(B,) synthetic counts."""
    mean: np.ndarray
    """(B, C) of reference shares that are kept."""
    spread: np.ndarray
    """(B, C) variance of these."""
    squares: np.ndarray
    """(B, C) sum of their squares."""
    is_rare: np.ndarray
    """(B,) whether of things that come too seldom to count by themselves."""

    @classmethod
    def of(cls, reference: np.ndarray, synthetic: np.ndarray, shares: Shares, kept: np.ndarray, least: float) -> Sums:
        """Of (V,) counts for (J, C) parts that are kept."""
        ranges = _ranges(reference, float(synthetic.sum()) / float(reference.sum()), least)
        own = shares.given @ (shares.nodes[:, None] * kept)
        second = shares.given @ ((shares.nodes[:, None] * kept) ** 2)
        times = shares.multiplicity[:, None]
        member = np.array([(shares.counts >= low) & (shares.counts <= high) for low, high in ranges], dtype=float)
        observed = [float(synthetic[(reference >= low) & (reference <= high)].sum()) for low, high in ranges]
        squares = member @ (times * own**2)
        spread = np.maximum(member @ (times * second) - squares, 0.0)
        return cls(np.array(observed), member @ (times * own), spread, squares, np.array([high < least for _, high in ranges]))

    def fitted(self, phi: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(C,) log likelihood, scale and `other` at the best `other` of each candidate."""
        every = [self._fitted(phi, other) for other in OTHERWISE]
        best = np.argmax([one[0] for one in every], axis=0)
        at = np.arange(self.mean.shape[1])
        found, scale = (np.stack([one[place] for one in every])[best, at] for place in (0, 1))
        return found, scale, np.array(OTHERWISE)[best]

    def of_rare(self, at: int, scale: float, other: float, phi: float) -> float:
        """Log likelihood of the sums over rare things for one candidate."""
        rare = self.is_rare
        mean = np.maximum(scale * self.mean[rare, at], LEAST_MEAN)
        more = (phi - 1) * mean + scale**2 * (self.spread[rare, at] + other * self.squares[rare, at])
        return float(_log_probability(self.observed[rare], mean, more).sum())

    def _fitted(self, phi: float, other: float) -> tuple[np.ndarray, np.ndarray]:
        seen = self.observed[:, None]
        scale = seen.sum() / self.mean.sum(axis=0)
        for _ in range(ROUNDS):
            mean = np.maximum(scale * self.mean, LEAST_MEAN)
            more = (phi - 1) * mean + scale**2 * (self.spread + other * self.squares)
            weight = 1 / (1 + more / mean)
            scale = (weight * seen).sum(axis=0) / (weight * self.mean).sum(axis=0)
        mean = np.maximum(scale * self.mean, LEAST_MEAN)
        more = (phi - 1) * mean + scale**2 * (self.spread + other * self.squares)
        return _log_probability(seen, mean, more).sum(axis=0), scale


@dataclass(frozen=True)
class Things:
    """Things that count by themselves: pairs of counts, with their nodes one after the other."""

    synthetic: np.ndarray
    """(P,) counts."""
    times: np.ndarray
    """(P,) things with this pair of counts."""
    starts: np.ndarray
    """(P,) where a pair's nodes begin."""
    nodes: np.ndarray
    """(M,) places of nodes."""
    given: np.ndarray
    """(M,) their probabilities."""

    @classmethod
    def of(cls, reference: np.ndarray, synthetic: np.ndarray, shares: Shares, least: float) -> Things:
        """Of (V,) counts, those things that the reference has `least` times or more."""
        chosen = reference >= least
        pairs, times = np.unique(np.stack([reference[chosen], synthetic[chosen]]), axis=1, return_counts=True)
        rows = len(shares.counts) - 1 - np.searchsorted(shares.counts[::-1], pairs[0])
        given = shares.given[rows]
        held = given > NEGLIGIBLE * given.max(axis=1, keepdims=True)
        starts = np.concatenate([[0], np.cumsum(held.sum(axis=1))[:-1]]).astype(int) if len(rows) else np.zeros(0, int)
        return cls(pairs[1].astype(float), times.astype(float), starts, np.nonzero(held)[1], given[held])

    def log_likelihood(self, mean: np.ndarray, other: float, phi: float) -> float:
        """For (J,) expected counts at the nodes."""
        if not len(self.starts):
            return 0.0
        expected = np.maximum(mean, LEAST_MEAN)[self.nodes]
        lengths = np.diff(np.append(self.starts, len(self.nodes)))
        seen = np.repeat(self.synthetic, lengths)
        more = (phi - 1) * expected + other * expected**2
        each = self.given * np.exp(_log_probability(seen, expected, more))
        found = np.log(np.maximum(np.add.reduceat(each, self.starts), LEAST_PROBABILITY))
        return float(self.times @ found)


def _ranges(reference: np.ndarray, ratio: float, least: float) -> list[tuple[float, float]]:
    """Ranges of reference counts, the largest first, each with enough expected synthetic counts; none goes past `least`."""
    distinct, multiplicity = np.unique(reference[reference > 0], return_counts=True)
    wanted = max(LEAST_EXPECTED, ratio * float(reference.sum()) / MOST_SUMS)
    found, upper, held = list[tuple[float, float]](), float(distinct[-1]), 0.0
    for place in range(len(distinct) - 1, -1, -1):
        count = float(distinct[place])
        held += ratio * count * float(multiplicity[place])
        is_edge = place == 0 or (count >= least > distinct[place - 1])
        if held >= wanted or is_edge:
            found.append((count, upper))
            upper, held = count - 0.5, 0.0
    return found


def _log_probability(seen: np.ndarray, mean: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Of a negative binomial count with this mean, and variance mean + more; nearly Poisson's where that is 0."""
    size = mean**2 / np.maximum(more, 1e-7 * mean**2 + 1e-15)
    odds = np.log1p(mean / size)
    found: np.ndarray = (
        gammaln(seen + size) - gammaln(size) - gammaln(seen + 1) - size * odds + seen * (np.log(mean) - np.log(size) - odds)
    )
    return found
