"""Arrow IPC files and streams, as `datasets` writes them with `save_to_disk`, read batch by batch.

Arrow trusts what such a file says of itself, so each batch is validated before anything looks into it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from mixval.errors import ContractError
from mixval.storage.arrow_messages import FILE_MAGIC, Body, bodies
from mixval.storage.held import HeldFile
from mixval.storage.reading import columns_of, guarded, reading, unreadable
from mixval.storage.root import Location


class ArrowFile:
    """Arrow IPC in either form: files with a footer, and streams."""

    name = "Arrow"
    endings = (".arrow", ".feather", ".ipc")
    has_footer = False

    @contextmanager
    def open(self, file: HeldFile) -> Iterator[OpenArrow]:
        """The file with nothing but its schema read. It is not mapped: one that is cut then would end the process."""
        with reading(file.location, self.name):
            raw = file.source()
            opened = OpenArrow(file.location, raw)
        try:
            yield opened
        finally:
            raw.close()


class OpenArrow:
    """Arrow record batches whose schema is known."""

    def __init__(self, location: Location, file: Any) -> None:
        """Read the schema of an open file."""
        self._location, self._file = location, file
        self.schema: pa.Schema = self._reader().schema

    @property
    def n_row_groups(self) -> int:
        """Record batches where a footer counts them, else 1."""
        reader = self._reader()
        return int(reader.num_record_batches) if isinstance(reader, pa.RecordBatchFileReader) else 1

    @property
    def n_rows(self) -> int:
        """Rows, by the headers of all record batches. Raises `ShardError` for one that is too large to be decoded."""
        with reading(self._location, ArrowFile.name):
            return sum(body.n_rows for body in self._bodies())

    def _bodies(self) -> Iterator[Body]:
        most = self._location.options.max_decoding_bytes
        found = bodies(self._file)
        while True:
            try:
                body = next(found, None)
            except (ContractError, struct.error) as error:
                raise unreadable(self._location, ArrowFile.name, f"a message's header: {error}") from error
            if body is None:
                return
            if body.n_bytes > most:
                words = (
                    f"a record batch has {body.n_bytes:,} bytes once decompressed, and at most {most:,} are decoded at a time "
                    "(source.storage.max_decoding_bytes): write smaller ones"
                )
                raise unreadable(self._location, ArrowFile.name, words)
            yield body

    def batches(
        self, paths: Sequence[str], batch_rows: int, _holding: tuple[str, str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches as `OpenShard` gives them."""
        yield from guarded(self._read(columns_of(self.schema, paths)), self._location, ArrowFile.name, batch_rows)

    def _read(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        for whole in self._batches(columns):
            batch = whole.select(columns)
            batch.validate(full=True)
            yield batch

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Whole record batches, of a file with a footer with these columns alone."""
        reader = self._reader([at for at, name in enumerate(self.schema.names) if name in columns])
        if isinstance(reader, pa.RecordBatchFileReader):
            yield from (reader.get_batch(at) for at in range(reader.num_record_batches))
        else:
            yield from reader

    def _reader(self, fields: Sequence[int] = ()) -> Any:
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=list(fields))
        self._file.seek(0)
        magic = self._file.read(len(FILE_MAGIC))
        self._file.seek(0)
        if magic == FILE_MAGIC:
            return pa.ipc.open_file(self._file, options=options)
        return pa.ipc.open_stream(self._file)
