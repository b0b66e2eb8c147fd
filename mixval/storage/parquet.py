"""Parquet files opened for streaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.storage.held import HeldFile
from mixval.storage.reading import MAX_BATCH_BYTES, guarded, reading
from mixval.storage.root import Location

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
            opened = pq.ParquetFile(file.source(), pre_buffer=False, buffer_size=READ_BUFFER_BYTES)
        try:
            yield OpenParquet(file.location, opened)
        finally:
            opened.close(force=True)


class OpenParquet:
    """A Parquet file whose footer has been read."""

    def __init__(self, location: Location, file: pq.ParquetFile) -> None:
        """Take an open file."""
        self._location, self._file = location, file
        self.schema: pa.Schema = file.schema_arrow
        self.n_rows: int = file.metadata.num_rows
        self.n_row_groups: int = file.metadata.num_row_groups

    def batches(
        self, paths: Sequence[str], batch_rows: int, holding: tuple[str, str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches of at most `batch_rows` rows and about `MAX_BATCH_BYTES`; row groups without the value are left out."""
        metadata = self._file.metadata
        groups = [at for at in range(self.n_row_groups) if holding is None or _may_hold(metadata.row_group(at), *holding)]
        rows = min(batch_rows, _affordable_rows(metadata, paths, groups))
        stream = self._file.iter_batches(rows, row_groups=groups, columns=list(paths), use_threads=False)
        yield from guarded(stream, self._location, Parquet.name)


def _may_hold(group: pq.RowGroupMetaData, column: str, value: str) -> bool:
    """False when the row group's statistics exclude `value`."""
    for at in range(group.num_columns):
        chunk = group.column(at)
        if chunk.path_in_schema != column or chunk.physical_type != "BYTE_ARRAY" or not chunk.is_stats_set:
            continue
        low, high = (chunk.statistics.min, chunk.statistics.max) if chunk.statistics.has_min_max else (None, None)
        if isinstance(low, str) and isinstance(high, str):
            return low.encode() <= value.encode() <= high.encode()
    return True


def _affordable_rows(metadata: pq.FileMetaData, paths: Sequence[str], row_groups: Sequence[int]) -> int:
    wanted = [at for at in range(metadata.num_columns) if _under(metadata.schema.column(at).path, paths)]
    rows = max((metadata.row_group(group).num_rows for group in row_groups), default=0)
    heaviest = 1.0
    for group in row_groups:
        meta = metadata.row_group(group)
        size = sum(meta.column(at).total_uncompressed_size for at in wanted)
        heaviest = max(heaviest, size / max(meta.num_rows, 1))
    return max(1, min(int(MAX_BATCH_BYTES / heaviest), max(rows, 1)))


def _under(path: str, wanted: Sequence[str]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in wanted)
