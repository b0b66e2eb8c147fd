"""What every format of shard has in common: how it is opened, and what its failures are.

A file whose content is not what its name says is a `ShardError`; a store that does not answer is a `StorageError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pyarrow as pa

from mixval.errors import ShardError
from mixval.storage.held import HeldFile
from mixval.storage.root import Location

MAX_BATCH_BYTES = 32 << 20
"""Bytes of a batch above which it gets fewer rows than asked."""


class OpenShard(Protocol):
    """A shard that is open for reading."""

    @property
    def schema(self) -> pa.Schema:
        """Its columns, as they are stored."""

    @property
    def n_rows(self) -> int:
        """Its rows. Where no footer says, they are counted: one pass over the file."""

    @property
    def n_row_groups(self) -> int:
        """Parts that can be read by themselves."""

    def batches(
        self, paths: Sequence[str], batch_rows: int, holding: tuple[str, str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches of at most `batch_rows` rows of these column paths (`image.bytes`: one field, where a format can read it
        alone). `holding` names a column and a value: parts that cannot have it may be left out."""


class Format(Protocol):
    """One format of shards."""

    @property
    def name(self) -> str:
        """As messages call it."""

    @property
    def endings(self) -> tuple[str, ...]:
        """Of its files' names, in lower case."""

    @property
    def has_footer(self) -> bool:
        """Whether the number of rows is known without reading them."""

    def open(self, file: HeldFile) -> AbstractContextManager[OpenShard]:
        """The shard in a file."""


@contextmanager
def reading(location: Location, kind: str) -> Iterator[None]:
    """Turns what pyarrow raises while reading into `ShardError` (the content) or `StorageError` (the store)."""
    with location.guard(f"read a {kind} file"):
        try:
            yield
        except Exception as error:
            if not _is_content(error):
                raise
            raise unreadable(location, kind, f"{type(error).__name__}: {' '.join(str(error).split())[:240]}") from error


def unreadable(location: Location, kind: str, found: str) -> ShardError:
    """The error for a file whose content is not what its name says."""
    return ShardError(
        f"shard '{location.name}' ({location.url}): expected a {kind} file, found one that cannot be read: "
        f"{found.rstrip('.')}. Write it again, or leave the shard out.",
        shard=location.url,
        kind="unreadable",
    )


def guarded(batches: Iterator[pa.RecordBatch], location: Location, kind: str) -> Iterator[pa.RecordBatch]:
    """The same batches, those without rows left out; failures as `reading` gives them."""
    while True:
        with reading(location, kind):
            batch = next(batches, None)
        if batch is None:
            return
        if batch.num_rows:
            yield batch


def in_pieces(batch: pa.RecordBatch, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """A batch in consecutive pieces of at most `batch_rows` rows and about `MAX_BATCH_BYTES`."""
    affordable = int(MAX_BATCH_BYTES * batch.num_rows / max(batch.nbytes, 1))
    step = max(1, min(batch_rows, affordable))
    for start in range(0, batch.num_rows, step):
        yield batch.slice(start, step)


def columns_of(schema: pa.Schema, paths: Sequence[str]) -> list[str]:
    """Whole columns that hold these paths, for formats which read no field alone."""
    wanted = set(paths)
    wanted |= {path[:at] for path in paths for at, letter in enumerate(path) if letter == "."}
    return [name for name in schema.names if name in wanted]


def _is_content(error: Exception) -> bool:
    if isinstance(error, (pa.ArrowException, UnicodeDecodeError)) and not isinstance(error, OSError):
        return True
    # A damaged footer or page is a bare OSError without an errno; so are S3 failures, but those name AWS.
    return type(error) is OSError and error.errno is None and "AWS Error" not in str(error)
