"""Text files as streams of bytes, decompressed where their name says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from mixval.storage.held import HeldFile

CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
"""Ending -> Arrow's name of the compression."""


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
                yield stream
