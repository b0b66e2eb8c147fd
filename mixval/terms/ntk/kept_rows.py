"""The sketched gradients of the rows with the smallest content keys, stored with the sums for replicates.

A bottom-k sample (Cohen and Kaplan, PODC 2007): the sample of a union follows from those of its sets, in any order and split,
and a smaller sample is nested in it. The effect of a row on the NTK term or the regression does not follow from sums; so their
spread is estimated on the sampled rows and rescaled to all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixval.errors import ShapeError
from mixval.terms.replicates import Keys

Arrays = dict[str, npt.NDArray[Any]]
BY_ROW = ("keys", "features", "residual", "labels", "counts")


@dataclass(frozen=True)
class KeptRows:
    """At most `limit` rows with the smallest keys. `a + b` is the sample of the union."""

    limit: int
    keys: Keys
    """(M,), ascending."""
    features: npt.NDArray[Any]
    """(M, q) phi, in the precision in which it came."""
    residual: npt.NDArray[np.float64]
    """(M,) r."""
    labels: npt.NDArray[np.int64]
    """(M,) class indices; -1 where rows have no label."""
    counts: npt.NDArray[np.float64]
    """(M,) answer tokens, or 1."""

    def __post_init__(self) -> None:
        """Refuse rows that do not pair up."""
        m = len(self.keys)
        by_row = self.residual.shape == self.labels.shape == self.counts.shape == (m,)
        if self.features.ndim != 2 or len(self.features) != m or not by_row or m > self.limit:
            raise ShapeError(
                f"kept rows: expected at most {self.limit} keys, features (M, q), residuals, labels and counts (M,), "
                f"found {self.keys.shape}, {self.features.shape}, {self.residual.shape}, {self.labels.shape} and "
                f"{self.counts.shape}. Make them again."
            )

    @classmethod
    def of(
        cls,
        limit: int,
        keys: Keys,  # (N,)
        features: npt.NDArray[Any],  # (N, q)
        residual: npt.NDArray[Any],  # (N,)
        labels: npt.NDArray[np.int64] | None = None,  # (N,)
        counts: npt.NDArray[Any] | None = None,  # (N,)
    ) -> "KeptRows":
        """Of N rows, N may be 0."""
        chosen = np.argsort(keys, kind="stable")[:limit]
        own = np.full(len(keys), -1, dtype=np.int64) if labels is None else labels
        weights = np.ones(len(keys)) if counts is None else counts.astype(np.float64)
        return cls(limit, keys[chosen], features[chosen], residual[chosen].astype(np.float64), own[chosen], weights[chosen])

    def first(self, count: int) -> "KeptRows":
        """Those with the smallest keys among them."""
        return KeptRows.of(self.limit, *(getattr(self, name)[:count] for name in BY_ROW))

    def __add__(self, other: "KeptRows") -> "KeptRows":
        """The sample of both sets together. Raises ShapeError for other limits or numbers of features."""
        if (self.limit, self.features.shape[1]) != (other.limit, other.features.shape[1]):
            raise ShapeError(
                f"kept rows: expected one limit and one q, found {self.limit} and {other.limit}, {self.features.shape[1]} and "
                f"{other.features.shape[1]}. Make both with the same settings."
            )
        return KeptRows.of(self.limit, *(np.concatenate([getattr(self, name), getattr(other, name)]) for name in BY_ROW))

    def to_arrays(self) -> Arrays:
        """Contiguous arrays by name."""
        return {"limit": np.array(self.limit, dtype=np.int64)} | {name: getattr(self, name) for name in BY_ROW}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "KeptRows":
        """What `to_arrays` wrote. Raises ShapeError when something is missing."""
        if missing := sorted({"limit", *BY_ROW} - set(arrays)):
            raise ShapeError(f"kept rows: no array {missing}. Make them again.")
        keys, labels = arrays["keys"].astype(np.uint64), arrays["labels"].astype(np.int64)
        return cls(int(arrays["limit"]), keys, arrays["features"], arrays["residual"], labels, arrays["counts"])
