"""Parquet files opened for streaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.contracts.arrow_types import is_text
from mixval.storage.footer import RowGroup, row_groups
from mixval.storage.held import HeldFile
from mixval.storage.reading import MAX_BATCH_BYTES, guarded, reading, unreadable

READ_BUFFER_BYTES = 1 << 20
"""Bytes of a column chunk read ahead. A row group of any size is read through buffers of this size."""


class Parquet:
    """Parquet files: columns and row groups are read by themselves, the footer says how many rows there are."""

    name = "Parquet"
    endings = (".parquet", ".parq", ".pq")
    has_footer = True

    @contextmanager
    def open(self, file: HeldFile) -> Iterator[OpenParquet]:
        """The file with nothing but its footer read; closed at the end."""
        with reading(file.location, self.name):
            source = file.source()
            opened = pq.ParquetFile(source, pre_buffer=False, buffer_size=READ_BUFFER_BYTES)
        try:
            yield OpenParquet(file, source, opened)
        finally:
            opened.close(force=True)


class OpenParquet:
    """A Parquet file whose footer has been read."""

    def __init__(self, held: HeldFile, source: pa.NativeFile, file: pq.ParquetFile) -> None:
        """Take an open file, and what it is read through."""
        self._location, self._size_bytes, self._source, self._file = held.location, held.size_bytes, source, file
        self.schema: pa.Schema = file.schema_arrow
        self.n_rows: int = file.metadata.num_rows
        self.n_row_groups: int = file.metadata.num_row_groups

    def batches(
        self, paths: Sequence[str], batch_rows: int, holding: tuple[str, str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches of at most `batch_rows` rows and about `MAX_BATCH_BYTES`; row groups without the value are left out."""
        metadata, groups = self._file.metadata, self._row_groups()
        chosen = list(range(len(groups)))
        if holding is not None and self._is_text(holding[0]):
            leaves = _leaves(metadata, [holding[0]])
            chosen = [at for at in chosen if _may_hold(groups[at], leaves, holding[1])]
        rows = min(batch_rows, _affordable_rows([groups[at] for at in chosen], _leaves(metadata, paths)))
        stream = self._file.iter_batches(rows, row_groups=chosen, columns=list(paths), use_threads=False)
        yield from guarded(stream, self._location, Parquet.name)

    def _row_groups(self) -> list[RowGroup]:
        with reading(self._location, Parquet.name):
            try:
                found = row_groups(self._source.read_at, self._size_bytes)
            except ValueError as error:
                raise unreadable(self._location, Parquet.name, str(error)) from error
        if len(found) != self.n_row_groups:
            raise unreadable(
                self._location, Parquet.name, f"its footer describes {len(found)} of {self.n_row_groups} row groups"
            )
        return found

    def _is_text(self, column: str) -> bool:
        at = self.schema.get_field_index(column)
        return at >= 0 and is_text(self.schema.field(at).type)


def _leaves(metadata: pq.FileMetaData, paths: Sequence[str]) -> list[int]:
    """Places of the stored columns that lie below these paths."""
    return [at for at in range(metadata.num_columns) if _under(metadata.schema.column(at).path, paths)]


def _may_hold(group: RowGroup, leaves: Sequence[int], value: str) -> bool:
    """False when the row group's statistics of a column exclude `value`."""
    bounds = [group.chunks[at].bounds for at in leaves if at < len(group.chunks)]
    return not any(one is not None and not one[0] <= value.encode() <= one[1] for one in bounds)


def _affordable_rows(groups: Sequence[RowGroup], leaves: Sequence[int]) -> int:
    rows, heaviest = max((group.n_rows for group in groups), default=0), 1.0
    for group in groups:
        size = sum(group.chunks[at].uncompressed_bytes for at in leaves if at < len(group.chunks))
        heaviest = max(heaviest, size / max(group.n_rows, 1))
    return max(1, min(int(MAX_BATCH_BYTES / heaviest), max(rows, 1)))


def _under(path: str, wanted: Sequence[str]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in wanted)
