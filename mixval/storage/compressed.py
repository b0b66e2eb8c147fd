"""Text files as streams of bytes, decompressed where their name says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from mixval.storage.reading import source
from mixval.storage.root import Location

CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
"""Ending -> Arrow's name of the compression."""


def with_codecs(*endings: str) -> tuple[str, ...]:
    """The endings, each alone and before that of a compression."""
    return tuple(ending + codec for ending in endings for codec in ("", *CODECS))


@contextmanager
def open_stream(location: Location) -> Iterator[Any]:
    """A pyarrow stream of the file's own bytes, closed at the end."""
    raw = source(location)
    with pa.OSFile(str(raw)) if location.local_path() else raw as file:
        codec = next((codec for ending, codec in CODECS.items() if location.name.lower().endswith(ending)), None)
        if codec is None:
            yield file
        else:
            with pa.CompressedInputStream(file, codec) as stream:
                yield stream
