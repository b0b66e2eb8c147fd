"""What a Parquet footer says of its row groups and their columns.

pyarrow ends the process over a column chunk whose description contradicts itself: `RowGroupMetaData.column` raises in C++ what
nothing catches. So that description is never asked for. The footer is written again, well formed, and read here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

_MAGIC = b"PAR1"
_TAIL_BYTES = 8
# Fields of the footer's structures, by their numbers in parquet.thrift.
_ROW_GROUPS, _CHUNKS, _N_ROWS, _DESCRIPTION = 4, 1, 3, 3
_TYPE, _UNCOMPRESSED_BYTES, _STATISTICS = 1, 6, 12
_HIGH, _LOW = 5, 6
_BYTE_ARRAY = 6


@dataclass(frozen=True)
class Chunk:
    """One column of one row group."""

    uncompressed_bytes: int
    """As the footer says, which may be anything."""
    bounds: tuple[bytes, bytes] | None
    """Lowest and highest value, of byte strings that have them."""


@dataclass(frozen=True)
class RowGroup:
    """One row group."""

    n_rows: int
    chunks: tuple[Chunk, ...]
    """In the order of the schema's columns. Fewer or more of them than it has are possible."""


def row_groups(metadata: pq.FileMetaData) -> list[RowGroup]:
    """The row groups that a footer describes."""
    file = io.BytesIO()
    metadata.write_metadata_file(file)
    data = file.getvalue()
    start = len(data) - _TAIL_BYTES - int.from_bytes(data[-_TAIL_BYTES : -len(_MAGIC)], "little")
    footer = _Compact(data, start).structure()
    return [
        RowGroup(group[_N_ROWS], tuple(_chunk(one.get(_DESCRIPTION, {})) for one in group[_CHUNKS]))
        for group in footer[_ROW_GROUPS]
    ]


def _chunk(description: dict[int, Any]) -> Chunk:
    statistics = description.get(_STATISTICS, {})
    has_bounds = description.get(_TYPE) == _BYTE_ARRAY and _HIGH in statistics and _LOW in statistics
    return Chunk(description.get(_UNCOMPRESSED_BYTES, 0), (statistics[_LOW], statistics[_HIGH]) if has_bounds else None)


class _Compact:
    """Structures of Thrift in its compact form."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def structure(self) -> dict[int, Any]:
        """Values by the numbers of their fields."""
        values, number = dict[int, Any](), 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            values[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        return values

    def _value(self, kind: int) -> Any:
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 8:
            return self._take(self._number())
        if kind == 12:
            return self.structure()
        if kind == 9:
            head = self._byte()
            size = self._number() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15) for _ in range(size)]
        if kind in (1, 2, 3):  # a byte each in lists
            return self._byte()
        raise ValueError(f"a Parquet footer has values of the kinds 1 to 6, 8, 9 and 12 of Thrift, found {kind}")

    def _signed(self) -> int:
        value = self._number()
        return (value >> 1) ^ -(value & 1)

    def _number(self) -> int:
        """Seven bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _byte(self) -> int:
        byte = self._data[self._at]
        self._at += 1
        return byte

    def _take(self, n: int) -> bytes:
        start = self._at
        self._at += n
        return self._data[start : self._at]
