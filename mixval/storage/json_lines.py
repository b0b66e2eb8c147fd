"""JSON Lines: one JSON object a line, read in pieces of whole lines through pyarrow.

Types are those of the whole file, found in a first pass that also counts its rows: pyarrow alone would take them from the first
piece. Memory is one piece and its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.types as pat

from mixval.errors import ContractError
from mixval.storage.compressed import open_stream, with_codecs
from mixval.storage.held import HeldFile
from mixval.storage.json_structure import structure_of
from mixval.storage.reading import MAX_FIELDS, columns_of, guarded, reading, unreadable
from mixval.storage.root import Location

PIECE_BYTES = 8 << 20
"""Bytes of lines that are parsed at a time."""
MAX_LINE_BYTES = 64 << 20
MAX_DEPTH = 100
"""Brackets within brackets."""
_ARRAY = (
    "it is a JSON array, which can only be read as a whole. Write one object a line, as `jq -c '.[]' rows.json > rows.jsonl` "
    'does, or Parquet, as `pandas.read_json("rows.json").to_parquet("rows.parquet")` does'
)
_BOM = b"\xef\xbb\xbf"


class JsonLines:
    """Files of one JSON object a line, plain or compressed."""

    name = "JSON Lines"
    endings = with_codecs(".jsonl", ".ndjson", ".json")
    has_footer = False

    @contextmanager
    def open(self, file: HeldFile) -> Iterator[OpenJsonLines]:
        """The file after its first pass."""
        yield OpenJsonLines(file, _layout(_Content(file.location, file.digest, file)))


@dataclass(frozen=True)
class _Content:
    """What a first pass is made of, by its name; the file itself is not compared."""

    location: Location
    digest: str
    file: HeldFile = field(compare=False)


@dataclass(frozen=True)
class _Layout:
    """What the first pass finds."""

    schema: pa.Schema
    n_rows: int


class OpenJsonLines:
    """A file of JSON Lines whose types and rows are known."""

    n_row_groups = 1

    def __init__(self, file: HeldFile, layout: _Layout) -> None:
        """Take what the first pass found."""
        self._file, self._location = file, file.location
        self.schema, self.n_rows = layout.schema, layout.n_rows

    def batches(
        self, paths: Sequence[str], batch_rows: int, _holding: tuple[str, str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches as `OpenShard` gives them, in the file's types."""
        yield from guarded(self._read(columns_of(self.schema, paths)), self._location, JsonLines.name, batch_rows)

    def _read(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([self.schema.field(name) for name in columns])
        for piece in _pieces(self._file):
            yield from _parsed(piece, wanted).select(columns).to_batches()


@lru_cache(maxsize=1024)
def _layout(content: _Content) -> _Layout:
    """Types and rows of a file. Made once in a process for a content: the digest names it."""
    schema, n_rows, location = pa.schema([]), 0, content.location
    with reading(location, JsonLines.name):
        for piece in _pieces(content.file):
            try:
                table = _parsed(piece, None)
                schema = pa.unify_schemas([schema, _settled(table.schema)], promote_options="permissive")
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise unreadable(location, JsonLines.name, f"in the rows from {n_rows:,} on: {_one_line(error)}") from error
            n_rows += table.num_rows
            if (n_fields := sum(_n_fields(field.type) for field in schema)) > MAX_FIELDS:
                words = f"objects have {n_fields:,} names in all, and {MAX_FIELDS:,} are read: values stand where names should"
                raise unreadable(location, JsonLines.name, words)
    content.file.require_unchanged()  # before it is kept under the digest
    return _Layout(schema, n_rows)


def _parsed(piece: bytes, schema: pa.Schema | None) -> pa.Table:
    if not piece.strip():
        return pa.table([]) if schema is None else schema.empty_table()
    options = pj.ParseOptions() if schema is None else pj.ParseOptions(schema, unexpected_field_behavior="ignore")
    reading_options = pj.ReadOptions(use_threads=False, block_size=len(piece) + 1)
    return pj.read_json(pa.BufferReader(piece), reading_options, options)


def _pieces(file: HeldFile) -> Iterator[bytes]:
    """Whole lines, some `PIECE_BYTES` at a time."""
    rest, is_first, location = b"", True, file.location
    with open_stream(file) as stream:
        while data := stream.read(PIECE_BYTES):
            data = rest + (data.removeprefix(_BOM) if is_first else data)
            if is_first and data.lstrip()[:1] == b"[":
                raise unreadable(location, JsonLines.name, _ARRAY)
            is_first = False
            cut = data.rfind(b"\n") + 1
            if cut:
                yield from _parts(location, data[:cut])
            rest = data[cut:]
            if len(rest) > MAX_LINE_BYTES:
                raise unreadable(location, JsonLines.name, f"a line has more than {MAX_LINE_BYTES >> 20} MiB")
    if rest.strip():
        yield from _parts(location, rest)


def _parts(location: Location, piece: bytes) -> Iterator[bytes]:
    """The same lines in parts that can be parsed. Raises `ShardError` where one cannot."""
    found = structure_of(piece)
    if (depth := found.depth) > MAX_DEPTH:
        raise unreadable(location, JsonLines.name, f"brackets are nested {depth:,} deep, and {MAX_DEPTH} are read")
    try:
        yield from found.parts()
    except ContractError as error:
        raise unreadable(location, JsonLines.name, str(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:240]


def _settled(schema: pa.Schema) -> pa.Schema:
    """The schema without the times that pyarrow sees in strings: a file's text stays text."""
    return pa.schema([pa.field(field.name, _without_times(field.type)) for field in schema])


def _without_times(found: pa.DataType) -> pa.DataType:
    if pat.is_temporal(found):
        return pa.string()
    if pat.is_list(found):
        return pa.list_(_without_times(found.value_type))
    if pat.is_struct(found):
        return pa.struct([pa.field(field.name, _without_times(field.type)) for field in found])
    return found


def _n_fields(found: pa.DataType) -> int:
    if pat.is_list(found):
        return _n_fields(found.value_type)
    return 1 + (sum(_n_fields(field.type) for field in found) if pat.is_struct(found) else 0)
