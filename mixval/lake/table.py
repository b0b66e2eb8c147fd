"""What a gate asks of a table, whatever its format: the seam behind which Delta is, and Iceberg could be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

RowSource = Callable[[], pa.RecordBatchReader]
"""Opens the rows that are appended, from the first on. Called again for every try, so that no try keeps rows in memory."""


@dataclass(frozen=True, order=True)
class CommitKey:
    """Under which rows enter a table: those of a delivery are in it under one attempt at most."""

    delivery: str
    """SHA-256 of the delivery's bytes."""
    attempt: int

    @property
    def text(self) -> str:
        """In one word."""
        return f"{self.delivery}.{self.attempt}"


@dataclass(frozen=True)
class TableFile:
    """A file of rows of one version of the table."""

    path: str
    """Below the table; names the file for ever, since files of a table are never rewritten in place."""
    size_bytes: int
    n_rows: int
    delivery: str | None = None
    """Digest of the delivery whose rows these are, as the gate noted that appended them; None for everybody else's, and where
    rows of several deliveries were put together."""


@dataclass(frozen=True)
class TableChange:
    """What a version changed of the rows of the one before."""

    version: int
    added: tuple[TableFile, ...]
    """Files that came."""
    removed: tuple[str, ...]
    """Paths of files that went."""
    rearranges: bool
    """True where the rows are the same: in other files, or only the schema or properties changed."""


@dataclass(frozen=True)
class Appended:
    """Rows that are in the table."""

    version: int
    """The table's version with them; where they were there, the current one."""
    was_there: bool
    """True where an earlier attempt had brought them in: nothing was written now."""


class LakeTable(Protocol):
    """A table with versions, to which a delivery is appended once. Raises StorageError where it cannot be reached."""

    @property
    def url(self) -> str:
        """Where it lies."""

    def version(self) -> int | None:
        """The current version; None where there is no table yet."""

    def identity(self) -> str | None:
        """An id that stays with the table and differs from that of any other; None where there is no table yet."""

    def create(self, schema: pa.Schema) -> None:
        """Make the table with these columns and no rows, unless one is there."""

    def schema(self, version: int | None = None) -> pa.Schema:
        """Columns of a version, the current one by default."""

    def files(self, version: int) -> list[TableFile]:
        """The files of rows that make up a version, sorted by path."""

    def changes(self, after: int, until: int) -> list[TableChange] | None:
        """What each version after the one and up to the other changed, in order; None where the log no longer says."""

    def read(self, version: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of a version, in batches, file by file."""

    def moved_since(self, version: int | None) -> int:
        """Versions after this one (None: no table yet) that changed rows. All of them where the log no longer says."""

    def attempt(self, delivery: str) -> int | None:
        """The attempt under which rows of this delivery were appended last; None for never. A restore does not change it."""

    def attempts(self, deliveries: Collection[str]) -> dict[str, int]:
        """The same of many, in one look; those that never were are left out."""

    def rows_by_key(self, version: int) -> Mapping[CommitKey, int]:
        """Rows of a version by the key under which they were appended; those of other writers are left out."""

    def append_once(self, key: CommitKey, rows: RowSource, expect_version: int | None, ahead: int = 0) -> Appended:
        """Append these rows, unless the delivery is there. At most `ahead` versions after `expect_version` (None: no table yet)
        may have changed rows.

        Raises ConflictError where more did, SchemaError for rows that do not fit the table: nothing was written then.
        """

    def widen(self, schema: pa.Schema) -> int:
        """Add those of these columns that the table lacks, nullable, in a version of their own. The version that has them."""
