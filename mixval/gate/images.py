"""Facts about image cells: whether they decode, their size, whether all pixels are finite.

Encoded images are PNG or JPEG. Their size is read from the header before a pixel is decoded, so a decompression bomb
costs nothing; PIL's format classes are used directly because `Image.open` checks against a limit of its own.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat
from PIL import ImageFile, JpegImagePlugin, PngImagePlugin

from mixval.gate.words import printable

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error)
"""What PIL raises on broken files, by its documentation and by experiment."""


@dataclass(frozen=True)
class ImageFacts:
    """What is known of one image cell; None where it is not."""

    shown: str | None
    """In words, for samples. None for a null cell."""
    decodes: bool | None = None
    """None also for an image that is too large to be decoded."""
    short_side_pixels: int | None = None
    long_side_pixels: int | None = None
    is_finite: bool | None = None


def image_cells(column: pa.ChunkedArray) -> list[bytes | np.ndarray | None]:
    """The cells of an image column: encoded bytes, (H, W, C) arrays, or None."""
    kind = column.type
    if isinstance(kind, pa.FixedShapeTensorType):
        return [cell for chunk in column.chunks for cell in _tensors(chunk)]
    if pat.is_dictionary(kind):
        return image_cells(pc.cast(column, kind.value_type))
    if pat.is_struct(kind):
        return image_cells(pc.struct_field(column, "bytes"))
    return list(column.to_pylist())


def image_facts(cells: Sequence[bytes | np.ndarray | None], max_side_pixels: int) -> list[ImageFacts]:
    """The facts of each cell. Images with a longer side than `max_side_pixels` are not decoded."""
    return [_facts(cell, max_side_pixels) for cell in cells]


def _tensors(chunk: Any) -> list[np.ndarray | None]:
    valid = np.asarray(chunk.is_valid())
    present = chunk.filter(pa.array(valid))
    values = present.storage.flatten()
    if values.null_count:  # a missing pixel is a NaN pixel
        pixels = pc.fill_null(pc.cast(values, pa.float64()), np.nan)
        kind = pa.fixed_shape_tensor(pa.float64(), chunk.type.shape, permutation=chunk.type.permutation)
        storage = pa.FixedSizeListArray.from_arrays(pixels, chunk.type.storage_type.list_size)
        present = pa.ExtensionArray.from_storage(kind, storage)
    arrays = iter(present.to_numpy_ndarray())
    return [next(arrays) if is_valid else None for is_valid in valid]


def _facts(cell: bytes | np.ndarray | None, max_side_pixels: int) -> ImageFacts:
    if cell is None:
        return ImageFacts(None)
    if isinstance(cell, np.ndarray):
        short, long = sorted(cell.shape[:2])
        shown = f"tensor {'x'.join(map(str, cell.shape))} {cell.dtype}"
        return ImageFacts(shown, True, short, long, bool(np.isfinite(cell).all()))
    return _encoded(cell, max_side_pixels)


def _encoded(data: bytes, max_side_pixels: int) -> ImageFacts:
    opener: type[ImageFile.ImageFile]
    if data.startswith(PNG):
        name, opener = "PNG", PngImagePlugin.PngImageFile
    elif data.startswith(JPEG):
        name, opener = "JPEG", JpegImagePlugin.JpegImageFile
    else:
        return ImageFacts(f"{len(data):,} bytes that begin with {data[:8].hex(' ')}" if data else "0 bytes", decodes=False)
    try:
        image = opener(io.BytesIO(data))
        short, long = sorted(image.size)
        shown = f"{name} {image.size[0]}x{image.size[1]}"
        if long > max_side_pixels:
            return ImageFacts(shown, None, short, long)
        image.load()
    except DECODE_ERRORS as error:
        return ImageFacts(f"{name} of {len(data):,} bytes: {printable(str(error))}", decodes=False)
    return ImageFacts(shown, True, short, long, True)
