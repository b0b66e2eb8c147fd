"""Parquet files opened for streaming: local paths directly, S3 through pyarrow's client, the rest through fsspec.

A file that is not Parquet or is cut short is a `ShardError`; a store that does not answer is a `StorageError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.errors import ShardError
from mixval.storage import s3
from mixval.storage.root import Location

READ_BUFFER_BYTES = 1 << 20
"""Bytes of a column chunk read ahead. A row group of any size is read through buffers of this size."""
MAX_BATCH_BYTES = 32 << 20
"""Projected bytes of a batch above which it gets fewer rows than asked."""


@contextmanager
def open_parquet(location: Location) -> Iterator[pq.ParquetFile]:
    """An open `ParquetFile`, closed at the end; nothing but the footer has been read."""
    with reading(location):
        file = pq.ParquetFile(_source(location), pre_buffer=False, buffer_size=READ_BUFFER_BYTES)
    try:
        yield file
    finally:
        file.close(force=True)


def iter_batches(
    location: Location, file: pq.ParquetFile, paths: Sequence[str], row_groups: Sequence[int], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Record batches of at most `batch_rows` rows and about `MAX_BATCH_BYTES`, of the given columns and row groups."""
    rows = min(batch_rows, _affordable_rows(file.metadata, paths, row_groups))
    stream = file.iter_batches(rows, row_groups=list(row_groups), columns=list(paths), use_threads=False)
    while True:
        with reading(location):
            batch = next(stream, None)
        if batch is None:
            return
        if batch.num_rows:
            yield batch


@contextmanager
def reading(location: Location) -> Iterator[None]:
    """Turns what pyarrow raises while reading into `ShardError` (the content) or `StorageError` (the store)."""
    with location.guard("read a Parquet file"):
        try:
            yield
        except Exception as error:
            if not _is_content(error):
                raise
            raise unreadable(location, f"{type(error).__name__}: {' '.join(str(error).split())[:240]}") from error


def unreadable(location: Location, found: str) -> ShardError:
    """The error for a file whose content is not Parquet."""
    return ShardError(
        f"shard '{location.name}' ({location.url}): expected a Parquet file, found one that cannot be read: "
        f"{found.rstrip('.')}. Write it again, or leave the shard out.",
        shard=location.url,
        kind="unreadable",
    )


def _is_content(error: Exception) -> bool:
    if isinstance(error, (pa.ArrowException, UnicodeDecodeError)) and not isinstance(error, OSError):
        return True
    # A damaged footer or page is a bare OSError without an errno; so are S3 failures, but those name AWS.
    return type(error) is OSError and error.errno is None and "AWS Error" not in str(error)


def _source(location: Location) -> Any:
    if path := location.local_path():
        return path
    if location.scheme == "s3":
        return s3.parquet_filesystem(location.options).open_input_file(location.path)
    return pa.PythonFile(location.open(), mode="r")


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
