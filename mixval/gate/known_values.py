"""What checks said of values, kept: each expectation of the gate judges a value by itself, and most values come again.

So what a check says of a value is computed once, by Great Expectations, and looked up where rows have that value again: of
thousands of small deliveries, flags, labels, origins, shares and lengths are mostly known. Of a check about nulls there are two
values, null and any other.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixval.gate.checks import Check

MOST_VALUES = 65_536
"""Values of all checks together that are kept; then none is, and they are computed anew."""
_NULL = None


@dataclass(frozen=True)
class DistinctValues:
    """The values of a column of N rows as a check tells them apart."""

    dtype: str
    """Of the column."""
    keys: list[Hashable]
    """(V,) each with its type: 1, 1.0 and True are other values."""
    places: npt.NDArray[np.int64]
    """(N,) which of them each row has."""
    n_null: int
    """Rows without a value."""

    @property
    def firsts(self) -> npt.NDArray[np.int64]:
        """(V,) a row with each."""
        rows = np.zeros(len(self.keys), dtype=np.int64)
        rows[self.places] = np.arange(len(self.places))
        return rows


def distinct_values(column: pd.Series, *, about_nulls: bool) -> DistinctValues | None:
    """Of this column; None where its values cannot be looked up, such as lists."""
    cells, nulls, dtype = column.to_numpy(), pd.isna(column.to_numpy()), str(column.dtype)
    n_null = int(np.count_nonzero(nulls))
    keys: list[Hashable]
    if about_nulls and n_null in (0, len(cells)):
        keys, places = [n_null > 0] if len(cells) else [], np.zeros(len(cells), dtype=np.int64)
    elif about_nulls:
        keys, places = [False, True], nulls.astype(np.int64)
    elif cells.dtype == object:
        found: dict[Hashable, int] = {}
        named = zip(cells.tolist(), nulls.tolist(), strict=True)
        try:
            places = np.array(
                [found.setdefault(_NULL if null else (type(cell), cell), len(found)) for cell, null in named], dtype=np.int64
            )
        except TypeError:
            return None
        keys = list(found)
    else:
        places, known = pd.factorize(cells)  # in the order in which they come; -1 for a null
        keys = known.tolist()
        if n_null:
            places, keys = np.where(nulls, len(keys), places), [*keys, _NULL]
    return DistinctValues(dtype, keys, places, n_null)


class KnownVerdicts:
    """Whether values pass, by check and type of column. Not safe in threads."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        """Nothing is known."""
        self._most, self._n = most, 0
        self._of: dict[tuple[str, str], dict[Hashable, bool]] = {}

    def of(self, check: Check, dtype: str) -> Mapping[Hashable, bool]:
        """Value -> whether it passes this check, of those that are known."""
        return self._of.get((repr(check), dtype), {})

    def keep(self, check: Check, dtype: str, found: Mapping[Hashable, bool]) -> None:
        """Keep what was computed of values that were not known."""
        if self._n + len(found) > self._most:
            self.forget()
        if len(found) <= self._most:
            self._of.setdefault((repr(check), dtype), {}).update(found)
            self._n += len(found)

    def forget(self) -> None:
        """Nothing is known any more."""
        self._of.clear()
        self._n = 0
