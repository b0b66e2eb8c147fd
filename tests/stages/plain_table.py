"""A table with versions as Parquet files in a folder: what stands in the place of Delta where sums are tested, not commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.lake.table import Appended, TableChange, TableFile


@dataclass
class PlainTable:
    """Versions 0, 1, ... each a list of files in a folder."""

    folder: Path
    versions: list[list[TableFile]] = field(default_factory=list)
    rearranging: set[int] = field(default_factory=set)
    forgotten: bool = False
    """Whether the log no longer says what changed."""

    @property
    def url(self) -> str:
        return str(self.folder)

    def version(self) -> int | None:
        return len(self.versions) - 1 if self.versions else None

    def identity(self) -> str | None:
        return "plain"

    def schema(self, version: int | None = None) -> pa.Schema:
        raise NotImplementedError

    def files(self, version: int) -> list[TableFile]:
        return self.versions[version]

    def changes(self, after: int, until: int) -> list[TableChange] | None:
        if self.forgotten:
            return None
        found = []
        for version in range(after + 1, until + 1):
            before, now = self.versions[version - 1], self.versions[version]
            added = tuple(file for file in now if file not in before)
            removed = tuple(file.path for file in before if file not in now)
            found.append(TableChange(version, added, removed, version in self.rearranging))
        return found

    def read(self, version: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def has(self, key: str) -> bool:
        raise NotImplementedError

    def append_once(self, key: str, rows: pa.RecordBatchReader, expect_version: int | None, ahead: int = 0) -> Appended:
        raise NotImplementedError

    def widen(self, schema: pa.Schema) -> int:
        raise NotImplementedError

    def write(self, name: str, rows: pa.Table, delivery: str | None = None) -> TableFile:
        """A file that no version has yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.parquet"
        pq.write_table(rows, path)
        return TableFile(path.name, path.stat().st_size, rows.num_rows, delivery)

    def become(self, files: Sequence[TableFile], rearranges: bool = False) -> int:
        """A new version of these files."""
        self.versions.append(list(files))
        if rearranges:
            self.rearranging.add(len(self.versions) - 1)
        return len(self.versions) - 1

    def append(self, name: str, rows: pa.Table, delivery: str | None = None) -> int:
        """A new version with these rows, too."""
        return self.become([*(self.versions[-1] if self.versions else []), self.write(name, rows, delivery)])
