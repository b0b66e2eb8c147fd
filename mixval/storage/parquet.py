"""Parquet files opened for streaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.contracts.arrow_types import is_text
from mixval.errors import ContractError
from mixval.storage.footer import Chunk, RowGroup, row_groups
from mixval.storage.held import HeldFile
from mixval.storage.parquet_pages import largest_value_bytes
from mixval.storage.reading import MAX_BATCH_BYTES, guarded, reading, unreadable

READ_BUFFER_BYTES = 1 << 20
"""Bytes of a column chunk read ahead. A row group of any size is read through buffers of this size."""
MAX_READ_BYTES = 128 << 20
"""Bytes that the rows read at a time may have at most, were each value as long as one can be by the headers of its pages."""


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
        """Batches as `OpenShard` gives them; row groups without the value are left out."""
        metadata, groups = self._file.metadata, self._row_groups()
        chosen = list(range(len(groups)))
        if holding is not None and self._is_text(holding[0]):
            leaves = _leaves(metadata, [holding[0]])
            chosen = [at for at in chosen if _may_hold(groups[at], leaves, holding[1])]
        with reading(self._location, Parquet.name):
            rows = self._affordable_rows([groups[at] for at in chosen], _leaves(metadata, paths), batch_rows)
        stream = self._file.iter_batches(rows, row_groups=chosen, columns=list(paths), use_threads=False)
        yield from guarded(stream, self._location, Parquet.name, batch_rows)

    def _affordable_rows(self, groups: Sequence[RowGroup], leaves: Sequence[int], batch_rows: int) -> int:
        """Rows to read at a time. The footer's sizes are a hint; what a dictionary unfolds to only the pages tell."""
        rows = min(batch_rows, max((group.n_rows for group in groups), default=0))
        for group in groups:
            n_rows = max(group.n_rows, 1)
            chunks = [group.chunks[at] for at in leaves if at < len(group.chunks)]
            heaviest = sum(chunk.uncompressed_bytes for chunk in chunks) / n_rows
            longest = sum(self._value_bytes(chunk, rows) * max(1, -(-chunk.n_values // n_rows)) for chunk in chunks)
            rows = min(rows, int(MAX_BATCH_BYTES / max(heaviest, 1)), MAX_READ_BYTES // max(longest, 1))
        return max(1, rows)

    def _value_bytes(self, chunk: Chunk, n_rows: int) -> int:
        is_far = self._location.scheme == "s3"  # each look is a request
        if not chunk.is_bytes or (is_far and chunk.uncompressed_bytes * n_rows <= MAX_READ_BYTES):
            return 0
        try:
            return largest_value_bytes(self._source.read_at, chunk, is_whole=not is_far)
        except ContractError as error:
            raise unreadable(self._location, Parquet.name, str(error)) from error

    def _row_groups(self) -> list[RowGroup]:
        with reading(self._location, Parquet.name):
            try:
                found = row_groups(self._source.read_at, self._size_bytes)
            except ContractError as error:
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


def _under(path: str, wanted: Sequence[str]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in wanted)
