"""What a gate asks of a table, whatever its format: the seam behind which Delta is, and Iceberg could be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


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
    """The table's version with them."""
    was_there: bool
    """True where an earlier attempt had brought them in: nothing was written now."""


class LakeTable(Protocol):
    """A table with versions, to which rows are appended once for each key. Raises StorageError where it cannot be reached."""

    @property
    def url(self) -> str:
        """Where it lies."""

    def version(self) -> int | None:
        """The current version; None where there is no table yet."""

    def identity(self) -> str | None:
        """An id that stays with the table and differs from that of any other; None where there is no table yet."""

    def schema(self, version: int | None = None) -> pa.Schema:
        """Columns of a version, the current one by default."""

    def files(self, version: int) -> list[TableFile]:
        """The files of rows that make up a version."""

    def changes(self, after: int, until: int) -> list[TableChange] | None:
        """What each version after the one and up to the other changed, in order; None where the log no longer says."""

    def read(self, version: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of a version, in batches."""

    def has(self, key: str) -> bool:
        """Whether rows were appended under this key."""

    def append_once(self, key: str, rows: pa.RecordBatchReader, expect_version: int | None, ahead: int = 0) -> Appended:
        """Append these rows unless the key is there. `expect_version` (None: no table yet) may be at most `ahead` versions old.

        Raises ConflictError where the table has moved further, and then nothing was written.
        """

    def widen(self, schema: pa.Schema) -> int:
        """Add the columns that the table lacks, nullable, in a version of their own. Returns that version."""
