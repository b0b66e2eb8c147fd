"""The sketched gradients of a few rows, those with the smallest content keys, kept beside the sums for half-samples.

A bottom-k sample (Cohen and Kaplan, PODC 2007): that of a union is made from those of its sets, in any order and split, and
a smaller one is nested in it. The NTK term of half of the rows cannot be told from sums over all of them; its spread is told
from the kept rows, and rescaled to all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixval.errors import ShapeError
from mixval.terms.half_samples import Keys

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class KeptRows:
    """At most `limit` rows with the smallest keys. `a + b` is what the union would have kept."""

    limit: int
    keys: Keys
    """(M,), ascending."""
    features: npt.NDArray[Any]
    """(M, q) phi, in the precision in which it came."""
    residual: npt.NDArray[np.float64]
    """(M,) r."""

    def __post_init__(self) -> None:
        """Refuse rows that do not pair up."""
        m = len(self.keys)
        if self.features.ndim != 2 or len(self.features) != m or self.residual.shape != (m,) or m > self.limit:
            raise ShapeError(
                f"kept rows: expected at most {self.limit} keys, features (M, q) and residuals (M,), found {self.keys.shape}, "
                f"{self.features.shape} and {self.residual.shape}. Make them again."
            )

    @classmethod
    def of(cls, limit: int, keys: Keys, features: npt.NDArray[Any], residual: npt.NDArray[Any]) -> "KeptRows":
        """Of (N,) keys, (N, q) features and (N,) residuals; N may be 0."""
        chosen = np.argsort(keys, kind="stable")[:limit]
        return cls(limit, keys[chosen], features[chosen], residual[chosen].astype(np.float64))

    def __add__(self, other: "KeptRows") -> "KeptRows":
        """What both together would have kept. Raises ShapeError for other limits or numbers of features."""
        if (self.limit, self.features.shape[1]) != (other.limit, other.features.shape[1]):
            raise ShapeError(
                f"kept rows: expected one limit and one q, found {self.limit} and {other.limit}, {self.features.shape[1]} and "
                f"{other.features.shape[1]}. Make both with the same settings."
            )
        keys = np.concatenate([self.keys, other.keys])
        features = np.concatenate([self.features, other.features])
        return KeptRows.of(self.limit, keys, features, np.concatenate([self.residual, other.residual]))

    def to_arrays(self) -> Arrays:
        """Contiguous arrays by name."""
        limit = np.array(self.limit, dtype=np.int64)
        return {"limit": limit, "keys": self.keys, "features": self.features, "residual": self.residual}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "KeptRows":
        """What `to_arrays` wrote. Raises ShapeError when something is missing."""
        if missing := sorted({"limit", "keys", "features", "residual"} - set(arrays)):
            raise ShapeError(f"kept rows: no array {missing}. Make them again.")
        return cls(int(arrays["limit"]), arrays["keys"].astype(np.uint64), arrays["features"], arrays["residual"])
