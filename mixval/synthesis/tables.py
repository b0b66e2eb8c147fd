"""Tables of a run: kept rows under the row contract, dropped and failed ones with their reasons, all with their lineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mixval.contracts.parts import SYNTHETIC
from mixval.contracts.schemas import table_schema
from mixval.storage.root import Location
from mixval.storage.tables import write_table

ROWS, DROPPED, FAILED = "rows", "dropped", "failed"
"""Folders below a run's: shards of each table."""
PART_ROWS = 20_000
"""Most rows of a shard."""


def _text(name: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, pa.string(), nullable=nullable)


_ORIGIN = [
    _text("document"),
    _text("document_digest"),
    pa.field("document_cut", pa.bool_(), nullable=False),
    _text("recipe"),
    _text("part"),
    _text("audience", nullable=True),
    _text("outline", nullable=True),
    _text("template"),
    _text("template_version"),
    _text("template_digest"),
    _text("generator"),
    _text("revision"),
    pa.field("temperature", pa.float64(), nullable=False),
    pa.field("top_p", pa.float64(), nullable=False),
    pa.field("seed", pa.int64(), nullable=False),
    _text("request", nullable=True),
]
"""What a row was made from."""
_ANSWER = [
    _text("model"),
    _text("finish_reason"),
    pa.field("prompt_tokens", pa.int64()),
    pa.field("completion_tokens", pa.int64()),
    pa.field("max_tokens", pa.int64(), nullable=False),
    _text("raw_text"),
]
"""What a generator answered."""
_DROP = [_text("reason"), _text("match"), _text("detail")]
_ROW = [_text("id"), _text("text"), _text("origin"), _text("source")]

SCHEMAS_OF = {
    ROWS: table_schema("synthetic", [*_ROW, *_ORIGIN, *_ANSWER]),
    DROPPED: table_schema("synthetic-dropped", [_text("id"), _text("text"), *_DROP, *_ORIGIN, *_ANSWER]),
    FAILED: table_schema("synthetic-failed", [_text("id"), _text("reason"), *_ORIGIN]),
}


@dataclass
class TableWriter:
    """Writes one table's rows as shards below a folder, `PART_ROWS` at a time; at least one shard, of no rows where there are
    none but for kept ones."""

    folder: Location
    name: str
    n_rows: int = 0
    _held: list[Mapping[str, Any]] = field(default_factory=list)
    _parts: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """One row more."""
        self._held.append(row)
        self.n_rows += 1
        if len(self._held) >= PART_ROWS:
            self._write()

    def close(self) -> None:
        """Write what is left."""
        if self._held or (not self._parts and self.name != ROWS):
            self._write()

    def _write(self) -> None:
        schema = SCHEMAS_OF[self.name]
        table = pa.Table.from_pylist(list(self._held), schema=schema)
        write_table(self.folder.child(self.name, f"part-{self._parts:05d}.parquet"), table, schema)
        self._held, self._parts = [], self._parts + 1


def kept_columns(name: str, text: str, source: str) -> dict[str, Any]:
    """Columns of the row contract."""
    return {"id": name, "text": text, "origin": SYNTHETIC, "source": source}
