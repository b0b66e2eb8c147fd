"""What a Parquet footer says of its row groups and their columns, read here.

pyarrow ends the process over a footer that contradicts itself: `RowGroupMetaData.column` raises in C++ what nothing catches,
and writing such a footer again breaks off in the middle. So neither is asked for what a stranger's column chunks are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mixval.errors import ContractError
from mixval.storage.thrift import BINARY, I32, I64, LIST, STRUCTURE, Compact

MAX_FOOTER_BYTES = 32 << 20
"""Some 300,000 column chunks, five seconds. Rows of text or images need a hundredth of it."""
_TAIL_BYTES = 8
"""The footer's length, and the magic word."""
_READ_BYTES = 1 << 16
"""Read from the end at first: most footers are smaller."""
_BYTE_ARRAY, _FIXED_LENGTH_BYTE_ARRAY = 6, 7


@dataclass(frozen=True)
class Chunk:
    """One column of one row group, as the footer describes it, which may be anything."""

    n_values: int = 0
    """Nulls included."""
    uncompressed_bytes: int = 0
    compressed_bytes: int = 0
    data_offset: int = 0
    """Where its first data page begins in the file."""
    dictionary_offset: int | None = None
    is_bytes: bool = False
    """Whether its values are byte strings, of whatever length."""
    bounds: tuple[bytes, bytes] | None = None
    """Lowest and highest value, of byte strings that have them."""


@dataclass(frozen=True)
class RowGroup:
    """One row group."""

    n_rows: int
    chunks: tuple[Chunk, ...]
    """In the order of the schema's columns. Fewer or more of them than it has are possible."""


def row_groups(read_at: Callable[[int, int], bytes], size_bytes: int) -> list[RowGroup]:
    """The row groups that the footer of a file describes; `read_at(n, place)` gives bytes of it.

    Raises ContractError for a footer that is larger than `MAX_FOOTER_BYTES`, or is none.
    """
    start = max(0, size_bytes - _READ_BYTES)
    end = read_at(size_bytes - start, start)
    length = int.from_bytes(end[-_TAIL_BYTES:-4], "little")
    if length > MAX_FOOTER_BYTES:
        raise ContractError(
            f"its footer has {length:,} bytes, more than {MAX_FOOTER_BYTES:,}; fewer row groups need a smaller one"
        )
    if length + _TAIL_BYTES > len(end):
        end = read_at(length + _TAIL_BYTES, max(0, size_bytes - length - _TAIL_BYTES))
    try:
        return _Footer(end[-length - _TAIL_BYTES : -_TAIL_BYTES]).row_groups()
    except IndexError as error:
        raise ContractError("its footer ends within a value") from error
    except ContractError as error:
        raise ContractError(f"its footer cannot be read: {error}") from error


class _Footer(Compact):
    """Structures of parquet.thrift, whose fields have numbers."""

    def row_groups(self) -> list[RowGroup]:
        """Those of a `FileMetaData`."""
        found: list[RowGroup] = self.structure({4: (LIST, lambda: self.structures(self._row_group))}).get(4, [])
        return found

    def _row_group(self) -> RowGroup:
        found = self.structure({1: (LIST, lambda: self.structures(self._chunk)), 3: (I64, self.signed)})
        return RowGroup(found.get(3, 0), tuple(found.get(1, ())))

    def _chunk(self) -> Chunk:
        chunk: Chunk = self.structure({3: (STRUCTURE, self._described)}).get(3, Chunk())
        return chunk

    def _described(self) -> Chunk:
        """A `ColumnMetaData`."""
        numbers = {1: (I32, self.signed)} | dict.fromkeys((5, 6, 7, 9, 11), (I64, self.signed))
        found = self.structure(numbers | {12: (STRUCTURE, self._bounds)})
        return Chunk(
            n_values=found.get(5, 0),
            uncompressed_bytes=found.get(6, 0),
            compressed_bytes=found.get(7, 0),
            data_offset=found.get(9, 0),
            dictionary_offset=found.get(11),
            is_bytes=found.get(1) in (_BYTE_ARRAY, _FIXED_LENGTH_BYTE_ARRAY),
            bounds=found.get(12) if found.get(1) == _BYTE_ARRAY else None,
        )

    def _bounds(self) -> tuple[bytes, bytes] | None:
        """Lowest and highest value of `Statistics`, in the order of bytes; not those in which older writers compared signed."""
        found = self.structure({5: (BINARY, self.binary), 6: (BINARY, self.binary)})
        return (found[6], found[5]) if len(found) == 2 else None
