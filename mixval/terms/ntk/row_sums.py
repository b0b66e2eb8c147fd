"""What regression needs of rows: sums of their sketched gradients, and the rows with the smallest keys.

Letters: N rows; q sketch features; M rows kept at most.

`a + b` is that of the rows of both, whatever the split and order, up to rounding. Stored are the sums, or the rows' sketches
alone where those are all rows: then the sums follow from them, and are larger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixval.errors import ShapeError
from mixval.terms.arrays import floats
from mixval.terms.ntk.kept_rows import KeptRows
from mixval.terms.ntk.statistics import GradientStatistics
from mixval.terms.replicates import Keys

Arrays = dict[str, npt.NDArray[Any]]
FROM_ROWS = ("gram", "cross")
"""Sums that are not stored where the kept rows are all rows: they are computed from those."""


@dataclass(frozen=True)
class RowSums:
    """Of N rows of a part or a group. Raises ShapeError where more rows are kept than were summed."""

    gradients: GradientStatistics
    kept: KeptRows

    def __post_init__(self) -> None:
        """Refuse rows that are not among those of the sums."""
        if len(self.kept.keys) > self.gradients.n:
            raise ShapeError(
                f"sums of rows: expected kept rows to be among the {self.gradients.n} rows that were summed, found "
                f"{len(self.kept.keys)}. Make them again."
            )

    @classmethod
    def of(
        cls,
        most_kept: int,
        keys: Keys,  # (N,)
        gradients: npt.NDArray[Any],  # (N, q)
        residual: npt.NDArray[np.float64],  # (N,)
        responses: npt.NDArray[np.float64],  # (N, C)
        labels: npt.NDArray[np.int64],  # (N,)
        counts: npt.NDArray[np.float64],  # (N,)
    ) -> RowSums:
        """Of N rows, N may be 0; at most `most_kept` of them are stored."""
        kept = KeptRows.of(most_kept, keys, gradients, residual, labels, counts)
        return cls(GradientStatistics.of(gradients, residual, responses), kept)

    @property
    def n(self) -> int:
        """Rows."""
        return self.gradients.n

    def __add__(self, other: RowSums) -> RowSums:
        """Of the rows of both. Raises ShapeError when they were made in different settings."""
        return RowSums(self.gradients + other.gradients, self.kept + other.kept)

    def to_arrays(self) -> Arrays:
        """Contiguous arrays by name, e.g. for safetensors."""
        gradients = self.gradients.to_arrays(without=FROM_ROWS if len(self.kept.keys) == self.n else ())
        return _named(gradients, self.kept)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> RowSums:
        """What `to_arrays` wrote. Raises ShapeError when something is missing or does not fit."""
        kept, gradients = KeptRows.from_arrays(below(arrays, "kept/")), below(arrays, "gradients/")
        again = None if "gram" in gradients else GradientStatistics.of(kept.features, kept.residual)
        return cls(GradientStatistics.from_arrays(gradients, again), kept)


def arrays_of_kept(kept: KeptRows, responses: npt.NDArray[np.float64]) -> Arrays:
    """`RowSums.to_arrays` of rows that are all kept, of which (q, C) are the sums Phi'Y. Raises NumericalError for NaN."""
    r = floats("the residual r", kept.residual, 1)
    return _named({"n": np.array(len(r), dtype=np.int64), "square": np.array(float(r @ r)), "responses": responses}, kept)


def _named(gradients: Arrays, kept: KeptRows) -> Arrays:
    parts = {"gradients": gradients, "kept": kept.to_arrays()}
    return {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def below(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> Arrays:
    """The arrays whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
