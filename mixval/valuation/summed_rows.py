"""Sums over many sources' rows of one part, from which NTK regression follows, with a bounded sample of the rows themselves.

Letters: a source is what was measured together, a delivery or a file: N of its rows were admitted, n of them measured, each of
weight w = N / n. q sketch features; C responses; M rows kept; t the share of all keys below which rows are kept.

    A = sum of w Phi'Phi,   c = sum of w Phi'R        add up over sources, in float64: a batch of thousands beside holdings of
                                                      millions is 1e-4 of A, float32 would round by 1e-7 at each addition

Rows are measured where their content key, uniform over all keys, lies below a share 1 / w, and kept are those with the
smallest keys: a uniform sample of all admitted rows while t w is at most 1. So a kept row stands for 1 / (t w) measured ones,
at least for itself (the estimator of Horvitz and Thompson, JASA 47, 1952), scaled so that all together stand for n.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixval.errors import ShapeError
from mixval.terms.ntk.statistics import lower_triangle, symmetric
from mixval.terms.replicates import Keys
from mixval.valuation.estimates import Floats

Arrays = dict[str, npt.NDArray[Any]]
BY_ROW = ("keys", "features", "responses", "weights")


@dataclass(frozen=True)
class SampledSums:
    """Of a part's rows of several sources. `a + b` is that of the rows of both, in any order up to rounding."""

    admitted: int
    """N, over all sources."""
    measured: int
    """n."""
    gram: Floats
    """(q, q) A."""
    cross: Floats
    """(q, C) c."""
    limit: int
    """Most rows that are kept."""
    keys: Keys
    """(M,), ascending."""
    features: npt.NDArray[Any]
    """(M, q) phi, as sketched."""
    responses: Floats
    """(M, C)."""
    weights: Floats
    """(M,) w."""

    def __post_init__(self) -> None:
        """Refuse sums and rows that do not fit together."""
        m, (q, c) = len(self.keys), self.cross.shape
        found = [one.shape for one in (self.gram, self.features, self.responses, self.weights)]
        if found != [(q, q), (m, q), (m, c), (m,)] or m > self.limit or not 0 < self.measured <= self.admitted:
            raise ShapeError(
                f"sums of held rows: expected A (q, q), c (q, C) and at most {self.limit} kept rows of the same q and C, "
                f"found {self.cross.shape}, {found} and {self.measured} rows measured of {self.admitted}. Make them again."
            )

    def __add__(self, other: SampledSums) -> SampledSums:
        """Of the rows of both. Raises ShapeError for other sketches, responses or limits."""
        if (self.cross.shape, self.limit) != (other.cross.shape, other.limit):
            raise ShapeError(
                f"sums of held rows add up over one sketch: found {self.cross.shape} and {other.cross.shape}, with "
                f"{self.limit} and {other.limit} rows kept. Make both with the same settings."
            )
        both = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in BY_ROW}
        # Copies share a key: weights decide between them, so that the order of additions does not.
        first = np.lexsort((both["weights"], both["keys"]))[: self.limit]
        return SampledSums(
            self.admitted + other.admitted,
            self.measured + other.measured,
            self.gram + other.gram,
            self.cross + other.cross,
            self.limit,
            **{name: rows[first] for name, rows in both.items()},
        )

    def first(self, count: int) -> tuple[slice, Floats]:
        """The kept rows with the smallest keys, `count` at most, and how many measured rows each stands for."""
        m = min(count, len(self.keys))
        raw = np.ones(m)
        if 0 < m < self.measured:
            share = (float(self.keys[m - 1]) + 1) / 2.0**64
            raw = np.maximum(1 / (share * self.weights[:m]), 1.0)
            raw *= self.measured / raw.sum()
        return slice(0, m), raw

    def of_kept(self, chosen: npt.NDArray[np.bool_], admitted: int) -> SampledSums:
        """As if only these of the kept rows, marked in (M,), at least one, had been measured of `admitted` rows."""
        phi, weight = self.features[chosen].astype(np.float64), admitted / int(chosen.sum())
        weights = np.full(len(phi), weight)
        gram, cross = weight * phi.T @ phi, weight * phi.T @ self.responses[chosen]
        kept = (self.keys[chosen], self.features[chosen], self.responses[chosen], weights)
        return SampledSums(admitted, len(phi), gram, cross, self.limit, *kept)

    def to_arrays(self) -> Arrays:
        """Contiguous arrays by name. Of A, which is symmetric, the lower triangle."""
        counts = np.array([self.admitted, self.measured, self.limit], dtype=np.int64)
        rows = {name: np.ascontiguousarray(getattr(self, name)) for name in BY_ROW}
        return {"counts": counts, "gram": lower_triangle(self.gram), "cross": self.cross, **rows}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> SampledSums:
        """What `to_arrays` wrote. Raises ShapeError where something is missing."""
        if missing := sorted({"counts", "gram", "cross", *BY_ROW} - set(arrays)):
            raise ShapeError(f"sums of held rows: no array {missing}. Make them again.")
        admitted, measured, limit = (int(one) for one in arrays["counts"])
        gram = symmetric(arrays["gram"], len(arrays["cross"]))
        rows = {name: arrays[name] for name in BY_ROW}
        return cls(admitted, measured, gram, arrays["cross"], limit, **(rows | {"keys": arrays["keys"].astype(np.uint64)}))
