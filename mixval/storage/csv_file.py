"""CSV and TSV with a header, read by batches through pyarrow. Every column is text: labels that are numbers are read from it.

A cell in which nothing stands is null. Memory is one block of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pc

from mixval.storage.compressed import open_stream, with_codecs
from mixval.storage.held import HeldFile
from mixval.storage.reading import columns_of, guarded, in_pieces, reading

BLOCK_BYTES = 16 << 20
"""Bytes that are parsed at a time. A row must fit in one."""
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
        with reading(file.location, Csv.name), open_stream(file) as stream:
            self.schema = pa.schema([pa.field(name, pa.string()) for name in self._reader(stream, None).schema.names])

    @property
    def n_rows(self) -> int:
        """Rows, counted."""
        return sum(batch.num_rows for batch in self.batches(self.schema.names, 1 << 30))

    def batches(
        self, paths: Sequence[str], batch_rows: int, _holding: tuple[str, str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches of at most `batch_rows` rows, all columns string."""
        yield from guarded(self._read(columns_of(self.schema, paths), batch_rows), self._location, Csv.name)

    def _read(self, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        with open_stream(self._file) as stream:
            for block in self._reader(stream, columns):
                yield from in_pieces(block, batch_rows)

    def _reader(self, stream: object, columns: list[str] | None) -> pc.CSVStreamingReader:
        is_tabbed = self._location.name.lower().endswith(_TABS)
        return pc.open_csv(
            stream,
            pc.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            pc.ParseOptions(delimiter="\t" if is_tabbed else ",", newlines_in_values=True),
            pc.ConvertOptions(
                column_types=dict.fromkeys(columns or [], pa.string()),
                include_columns=columns,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
