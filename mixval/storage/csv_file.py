"""CSV and TSV with a header, read by batches through pyarrow. Every column is text: labels that are numbers are read from it.

A cell in which nothing stands is null. Memory is one block of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pc

from mixval.storage.compressed import open_stream, with_codecs
from mixval.storage.held import HeldFile
from mixval.storage.reading import MAX_FIELDS, columns_of, guarded, reading, unreadable

BLOCK_BYTES = 16 << 20
"""Bytes that are parsed at a time. A row must fit in one."""
MAX_HEADER_BYTES = 1 << 20
_TABS = with_codecs(".tsv")


class Csv:
    """Comma-separated values, or by their ending tab-separated ones, with the names of the columns in the first line."""

    name = "CSV"
    endings = (*with_codecs(".csv"), *_TABS)
    has_footer = False

    @contextmanager
    def open(self, file: HeldFile) -> Iterator[OpenCsv]:
        """The file after its header."""
        yield OpenCsv(file)


class OpenCsv:
    """A CSV file whose header has been read."""

    n_row_groups = 1

    def __init__(self, file: HeldFile) -> None:
        """Read the header."""
        self._file, self._location = file, file.location
        self._ensure_few_columns()
        with reading(file.location, Csv.name), open_stream(file) as stream:
            self.schema = pa.schema([pa.field(name, pa.string()) for name in self._reader(stream, None).schema.names])

    @property
    def n_rows(self) -> int:
        """Rows, counted."""
        return sum(batch.num_rows for batch in self.batches(self.schema.names, 1 << 30))

    def batches(
        self, paths: Sequence[str], batch_rows: int, _holding: tuple[str, str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches as `OpenShard` gives them, all columns string."""
        yield from guarded(self._read(columns_of(self.schema, paths)), self._location, Csv.name, batch_rows)

    def _ensure_few_columns(self) -> None:
        """Raise `ShardError` for a header of very many names: pyarrow takes 8 KB for each, and a byte may be one."""
        with reading(self._location, Csv.name), open_stream(self._file) as stream:
            n_fields = _n_fields(stream.read(MAX_HEADER_BYTES), b"\t" if self._is_tabbed else b",")
            if n_fields is None:
                words = f"the first line has more than {MAX_HEADER_BYTES >> 20} MiB, where names of columns should stand"
                raise unreadable(self._location, Csv.name, words)
            if n_fields > MAX_FIELDS:
                words = f"the first line names more than {MAX_FIELDS:,} columns, which is the most that are read"
                raise unreadable(self._location, Csv.name, words)

    @property
    def _is_tabbed(self) -> bool:
        return self._location.name.lower().endswith(_TABS)

    def _read(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with open_stream(self._file) as stream:
            yield from self._reader(stream, columns)

    def _reader(self, stream: object, columns: list[str] | None) -> pc.CSVStreamingReader:
        return pc.open_csv(
            stream,
            pc.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            pc.ParseOptions(delimiter="\t" if self._is_tabbed else ",", newlines_in_values=True),
            pc.ConvertOptions(
                column_types=dict.fromkeys(columns or [], pa.string()),
                include_columns=columns,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _n_fields(data: bytes, delimiter: bytes) -> int | None:
    """Fields of the first line that is not empty, counted up to `MAX_FIELDS` and one more; None where it does not end in `data`
    and the data is no whole file. Quotes count where a field begins, as for pyarrow."""
    plain = rb"[^" + re.escape(delimiter) + rb"\r\n]*"
    field = re.compile(rb'("[^"]*(?:""[^"]*)*"(?!"))?(' + plain + rb")")
    at = len(data) - len(data.lstrip(b"\r\n"))
    is_cut = len(data) >= MAX_HEADER_BYTES
    for n in range(1, MAX_FIELDS + 2):
        found = field.match(data, at)
        if found is None or (found[1] is None and found[2].startswith(b'"')):  # its closing quote lies beyond
            return None if is_cut else n
        at = found.end()
        if at >= len(data):
            return None if is_cut else n
        if data[at : at + 1] != delimiter:
            return n
        at += 1
    return MAX_FIELDS + 1
