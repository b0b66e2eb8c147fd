"""Text files as streams of bytes, decompressed where their name says so."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from mixval.storage.held import HeldFile
from mixval.storage.reading import unreadable

CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
"""Ending -> Arrow's name of the compression."""
MOST_UNFOLDED = 1000
"""Bytes that a compressed file may have per byte, beyond `FREE_BYTES`: text has 3 to 50, and gzip gives at most 1032."""
FREE_BYTES = 64 << 20


def with_codecs(*endings: str) -> tuple[str, ...]:
    """The endings, each alone and before that of a compression."""
    return tuple(ending + codec for ending in endings for codec in ("", *CODECS))


@contextmanager
def open_stream(file: HeldFile) -> Iterator[Any]:
    """A pyarrow stream of the file's own bytes, closed at the end."""
    with file.source() as raw:
        codec = next((codec for ending, codec in CODECS.items() if file.location.name.lower().endswith(ending)), None)
        if codec is None:
            yield raw
        else:
            with pa.CompressedInputStream(raw, codec) as stream:
                yield pa.PythonFile(_Counted(stream, file), mode="r")


class _Counted(io.RawIOBase):
    """A decompressed stream that ends with `ShardError` where it has more bytes than such a file can honestly have."""

    def __init__(self, stream: Any, file: HeldFile) -> None:
        super().__init__()
        self._stream, self._file = stream, file
        self._left = FREE_BYTES + MOST_UNFOLDED * file.size_bytes

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            most = FREE_BYTES + MOST_UNFOLDED * self._file.size_bytes
            words = f"its {self._file.size_bytes:,} bytes have more than {most:,} once decompressed"
            raise unreadable(self._file.location, "compressed text", words)
        return data
