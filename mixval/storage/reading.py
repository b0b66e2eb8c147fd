"""What every format of shard has in common: how it is opened, and what its failures are.

A file whose content is not what its name says is a `ShardError`; a store that does not answer is a `StorageError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import numpy as np
import pyarrow as pa

from mixval.contracts.cell_bytes import cell_bytes
from mixval.errors import CapacityError, ShardError
from mixval.storage.allowance import allowance
from mixval.storage.held import HeldFile
from mixval.storage.root import Location

MAX_BATCH_BYTES = 32 << 20
"""Decoded bytes of a batch above which it gets fewer rows than asked."""
MAX_FIELDS = 10_000
"""Names of a file's columns, of text formats also nested ones. Each takes kilobytes, whatever stands in it."""


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
        """Batches of at most `batch_rows` rows, and of about `MAX_BATCH_BYTES` once decoded, of these column paths
        (`image.bytes`: one field, where a format can read it alone). `holding` names a column and a value: parts that cannot
        have it may be left out."""


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
        asked = given = location.options.max_decoding_bytes
        try:
            with allowance(asked) as given:
                yield
        except MemoryError as error:
            raise _too_large(location, kind, asked, given) from error
        except Exception as error:
            if not _is_content(error):
                raise
            raise unreadable(location, kind, f"{type(error).__name__}: {' '.join(str(error).split())[:240]}") from error


def _too_large(location: Location, kind: str, asked: int, given: int) -> ShardError | CapacityError:
    if given == asked:
        words = f"decoding a piece of it takes more than {asked:,} bytes of memory (source.storage.max_decoding_bytes)"
        return unreadable(location, kind, words)
    return CapacityError(
        f"shard '{location.name}' ({location.url}): expected pieces that are decoded within {given:,} bytes, half of a "
        "worker's memory, found one that takes more. Write the file in smaller pieces (row groups, record batches, pages), or "
        "take fewer and larger workers (`runtime.workers`)."
    )


def unreadable(location: Location, kind: str, found: str) -> ShardError:
    """The error for a file whose content is not what its name says."""
    return ShardError(
        f"shard '{location.name}' ({location.url}): expected a {kind} file, found one that cannot be read: "
        f"{found.rstrip('.')}. Write it again, or leave the shard out.",
        shard=location.url,
        kind="unreadable",
    )


def guarded(batches: Iterator[pa.RecordBatch], location: Location, kind: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches as `OpenShard.batches` gives them; failures as `reading` gives them."""
    while True:
        with reading(location, kind):
            batch = next(batches, None)
        if batch is None:
            return
        yield from in_pieces(batch, batch_rows)


def in_pieces(batch: pa.RecordBatch, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """A valid batch in consecutive pieces of at most `batch_rows` rows, and of about `MAX_BATCH_BYTES` once decoded; a row that
    has more is alone."""
    for start in range(0, batch.num_rows, batch_rows):
        rows = batch.slice(start, batch_rows)
        sizes = sum((cell_bytes(column) for column in rows.columns), np.zeros(rows.num_rows, np.int64))
        ends = np.cumsum(sizes)
        first = 0
        while first < rows.num_rows:
            before = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, before + MAX_BATCH_BYTES, side="right")))
            yield rows.slice(first, last - first)
            first = last


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
