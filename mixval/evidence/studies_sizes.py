"""How a score from n measured rows speaks for all N rows of a contributor.

What training on S explains of T grows with the rows, so a contributor that is measured on a part of its rows is valued too
low, and the larger it is the more so. With v(n) the score from n rows, v0 that of no rows (minus log C for minus the
cross-entropy over C classes, 0 for a gain), and E(n) = v(n) - v0 what is explained, growth is taken as a power of n:

    E(N) = E(n) (N / n)^b,      b_k = log(E(n) / mean of E over P disjoint parts of n / P rows) / log P

    as-measured      v(n)
    scaled-damping   v(n) under lambda n / N: each row stands for N / n, so that the ridge weighs as it would over N rows.
                     What it does not do is average the noise of N rows
    own-growth       each contributor's b_k
    shared-growth    the mean of b_k over contributors, whose own ones are noisy
    shrunk-growth    between the two, as far as b_k vary more than their noise: b + (b_k - b) t^2 / (t^2 + e_k^2)

A contributor with no more rows than are measured keeps v(n) in every form. float64.

Kendall's tau with the ranking from all rows, mean of three draws, P = 4 (twelve contributors of 1,107 to 7,946 CIFAR-10 rows,
small ResNet at random initialisation, NTK-regression at lambda 0.03 as `benchmarks/evidence/stability.py` lays it out):

    n                  100     400   1,000   4,000
    as-measured       0.46    0.66    0.67    0.94
    scaled-damping    0.42    0.44    0.42    0.89
    own-growth        0.41    0.71    0.80    0.99
    shared-growth     0.67    0.74    0.77    0.96
    shrunk-growth     0.67    0.74    0.77    1.00

b falls from about 0.6 at 100 rows to 0.35 at 1,000 and 0.28 at 4,000. On other draws of the same rows, one slope for all that
was fitted in hindsight to the scores from all rows gave 0.80, 0.76, 0.80 and 1.00, and shrunk-growth 0.77, 0.76, 0.81 and 1.00:
what is left is the chance of the rows drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixval.errors import ShapeError
from mixval.terms.arrays import Floats

Form = Literal["as-measured", "scaled-damping", "own-growth", "shared-growth", "shrunk-growth"]


@dataclass(frozen=True)
class NestedScores:
    """Scores of K contributors from n rows each and from P disjoint parts of those."""

    whole: Floats
    """(K,) v(n)."""
    rescaled: Floats
    """(K,) v(n) under lambda n / N."""
    parts: Floats
    """(K, P)."""
    n: Floats
    """(K,) measured rows."""
    n_all: Floats
    """(K,) N."""
    nothing: float
    """v0."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        k = len(self.whole)
        shapes = [one.shape for one in (self.whole, self.rescaled, self.n, self.n_all)]
        if set(shapes) != {(k,)} or self.parts.shape[:1] != (k,) or self.parts.ndim != 2 or self.parts.shape[1] < 2:
            raise ShapeError(
                f"nested scores: expected (K,) scores and rows and (K, P >= 2) scores of parts, found {shapes} and "
                f"{self.parts.shape}. Measure the parts of every contributor."
            )

    @property
    def is_cut(self) -> np.ndarray:
        """(K,) bool: whether there are more rows than were measured."""
        return np.asarray(self.n < self.n_all)


def carried_on(scores: NestedScores, form: Form) -> Floats:
    """(K,) scores for all N rows, in the units of `scores`."""
    return _FORMS[form](scores)


def growth(scores: NestedScores) -> tuple[Floats, Floats]:
    """(K,) exponents b_k and their standard errors, from the spread of the parts; nan where one explains nothing, or N = n."""
    explained, parts = scores.whole - scores.nothing, scores.parts - scores.nothing
    mean, n_parts = parts.mean(1), scores.parts.shape[1]
    known = scores.is_cut & (explained > 0) & (mean > 0)
    ratio = np.divide(explained, mean, out=np.ones_like(mean), where=known)
    relative = np.divide(parts.std(1, ddof=1), mean * math.sqrt(n_parts), out=np.zeros_like(mean), where=known)
    exponents, errors = np.log(ratio) / math.log(n_parts), relative / math.log(n_parts)
    return np.where(known, exponents, np.nan), np.where(known, errors, np.nan)


def _own(scores: NestedScores) -> Floats:
    return _grown(scores, growth(scores)[0])


def _shared(scores: NestedScores) -> Floats:
    exponents = growth(scores)[0]
    return _grown(scores, np.where(np.isfinite(exponents), _mean(exponents), np.nan))


def _shrunk(scores: NestedScores) -> Floats:
    exponents, errors = growth(scores)
    known = np.isfinite(exponents)
    centre = _mean(exponents)
    noise = np.where(known, errors, 0.0) ** 2
    between = max(float(exponents[known].var(ddof=1)) - float(noise[known].mean()), 0.0) if known.sum() > 1 else 0.0
    trust = np.divide(between, between + noise, out=np.zeros_like(noise), where=between + noise > 0)
    return _grown(scores, centre + (exponents - centre) * trust)


def _grown(scores: NestedScores, exponents: Floats) -> Floats:
    """v0 + E(n) (N / n)^b; as measured where b is nan."""
    explained = scores.whole - scores.nothing
    carried = scores.nothing + explained * (scores.n_all / scores.n) ** np.nan_to_num(exponents)
    return np.where(np.isfinite(exponents), carried, scores.whole)


def _mean(exponents: Floats) -> float:
    known = exponents[np.isfinite(exponents)]
    return float(known.mean()) if len(known) else 0.0


_FORMS: dict[Form, Callable[[NestedScores], Floats]] = {
    "as-measured": lambda scores: scores.whole,
    "scaled-damping": lambda scores: np.where(scores.is_cut, scores.rescaled, scores.whole),
    "own-growth": _own,
    "shared-growth": _shared,
    "shrunk-growth": _shrunk,
}
FORMS: Sequence[Form] = tuple(_FORMS)
"""All of them, the plain one first."""
