"""Headers of Arrow's IPC messages: rows and decoded bytes of a record batch, found without decoding it.

A header is a flatbuffer (Message.fbs of Arrow's format); pyarrow shows it as bytes. Compressed buffers begin with the length
that is allocated for them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from mixval.errors import ContractError

FILE_MAGIC = b"ARROW1"
_TAIL_BYTES = 10
"""Of a file behind its footer: the footer's length, and the magic again."""
_BLOCK_SLOTS = (2, 3)
"""Of a footer: where dictionaries and record batches are."""
_KIND_SLOT, _HEADER_SLOT = 1, 2
_DICTIONARY_KIND = 2
_DICTIONARY_DATA_SLOT = 1
_LENGTH_SLOT, _BUFFERS_SLOT, _COMPRESSION_SLOT = 0, 2, 3


@dataclass(frozen=True)
class Body:
    """What a message says of its body."""

    n_rows: int
    """0 for a dictionary's."""
    n_bytes: int
    """Once decompressed."""


def bodies(source: Any) -> Iterator[Body]:
    """The bodies of all record batches and dictionaries of an open file, by its footer, or of a stream in their order.

    Memory: headers, of a stream one body as it is stored. Raises ContractError or `struct.error` for headers that are broken.
    """
    source.seek(0)
    is_file = source.read(len(FILE_MAGIC)) == FILE_MAGIC
    source.seek(0)
    if is_file:
        yield from _of_file(source)
        return
    for message in pa.ipc.MessageReader.open_stream(source):
        if message.type in ("record batch", "dictionary"):
            stored = memoryview(b"" if message.body is None else message.body)
            yield _body(message.metadata.to_pybytes(), len(stored), partial(_within, stored))


def _of_file(source: Any) -> Iterator[Body]:
    end = source.size() - _TAIL_BYTES
    (n_bytes,) = struct.unpack("<i", _read(source, end, 4))
    footer = _Flat(_read(source, end - n_bytes, n_bytes))
    for slot in _BLOCK_SLOTS:
        for block in footer.structs(footer.root(), slot, "<qi4xq"):
            begin, n_header, n_body = block
            head = _read(source, begin, n_header)
            skipped = 8 if head.startswith(b"\xff\xff\xff\xff") else 4
            yield _body(head[skipped:], n_body, partial(_first_bytes, source, begin + n_header))


def _within(stored: memoryview, at: int) -> bytes:
    return bytes(stored[at : at + 8])


def _first_bytes(source: Any, body: int, at: int) -> bytes:
    return _read(source, body + at, 8)


def _read(source: Any, at: int, n_bytes: int) -> bytes:
    if at < 0 or n_bytes < 0 or at + n_bytes > source.size():
        raise ContractError(f"expected {n_bytes:,} bytes at byte {at:,}, found a file of {source.size():,}")
    source.seek(at)
    return bytes(source.read(n_bytes))


def _body(header: bytes, n_stored: int, first_bytes: Callable[[int], bytes]) -> Body:
    """`first_bytes` are the first 8 of the buffer at an offset in the body."""
    flat = _Flat(header)
    batch = flat.table(flat.root(), _HEADER_SLOT)
    is_dictionary = flat.byte(flat.root(), _KIND_SLOT) == _DICTIONARY_KIND
    if is_dictionary:
        batch = flat.table(batch, _DICTIONARY_DATA_SLOT)
    n_rows = 0 if is_dictionary else flat.number(batch, _LENGTH_SLOT)
    if flat.place(batch, _COMPRESSION_SLOT) is None:
        return Body(n_rows, n_stored)
    total = 0
    for offset, length in flat.structs(batch, _BUFFERS_SLOT, "<qq"):
        if length:
            (n_bytes,) = struct.unpack("<q", first_bytes(offset))
            total += length if n_bytes < 0 else n_bytes  # a negative one: this buffer is not compressed
    return Body(n_rows, total)


class _Flat:
    """A flatbuffer: tables by their place, and what their slots hold."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def root(self) -> int:
        return int(struct.unpack_from("<I", self._data)[0])

    def place(self, table: int, slot: int) -> int | None:
        """Where a slot's value is; None where it has its default."""
        slots = table - struct.unpack_from("<i", self._data, table)[0]
        size = struct.unpack_from("<H", self._data, slots)[0]
        entry = 4 + 2 * slot
        offset = struct.unpack_from("<H", self._data, slots + entry)[0] if entry < size else 0
        return table + offset if offset else None

    def table(self, table: int, slot: int) -> int:
        """The table in a slot."""
        if (at := self.place(table, slot)) is None:
            raise ContractError("expected a table in a message's header, found none")
        return int(at + struct.unpack_from("<I", self._data, at)[0])

    def number(self, table: int, slot: int) -> int:
        """A 64-bit number, 0 by default."""
        at = self.place(table, slot)
        return 0 if at is None else int(struct.unpack_from("<q", self._data, at)[0])

    def byte(self, table: int, slot: int) -> int:
        """A number of 8 bits, 0 by default."""
        at = self.place(table, slot)
        return 0 if at is None else self._data[at]

    def structs(self, table: int, slot: int, form: str) -> Iterator[tuple[int, ...]]:
        """A vector of structs of this form."""
        if (at := self.place(table, slot)) is None:
            return
        vector = at + struct.unpack_from("<I", self._data, at)[0]
        for item in range(struct.unpack_from("<I", self._data, vector)[0]):
            yield struct.unpack_from(form, self._data, vector + 4 + struct.calcsize(form) * item)
