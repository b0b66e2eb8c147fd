"""Facts about image cells: whether they decode, their size, whether their pixels are numbers of an image.

Size and scans are read from the file before a pixel is decoded, so a decompression bomb costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from mixval.contracts.pixels import EncodedImage, pixels_digest
from mixval.errors import ContractError
from mixval.gate.prints import image_print
from mixval.gate.words import printable, shorten


@dataclass(frozen=True)
class ImageFacts:
    """What is known of one image cell; None where it is not."""

    shown: str | None
    """In words, for samples. None for a null cell."""
    decodes: bool | None = None
    """None also for an image that has too many pixels or scans to be decoded."""
    short_side_pixels: int | None = None
    long_side_pixels: int | None = None
    n_pixels: int | None = None
    """Height times width."""
    n_bytes: int = 0
    """Of its pixels, where they were decoded."""
    n_scans: int | None = None
    """Passes over all pixels that decoding takes."""
    size: str | None = None
    """Height and width of the upright image, as `size_words`."""
    is_finite: bool | None = None
    is_in_range: bool | None = None
    """Whether float pixels lie in [0, 1]; unsigned integers always do."""
    identity: bytes | None = None
    """Names what is seen, however it is encoded; of what cannot be decoded the bytes."""
    print: np.ndarray | None = None
    """`prints.image_print`; None for what cannot be decoded, or where it was not asked for."""


def size_words(height: int, width: int) -> str:
    """A size as the gate compares and shows it."""
    return f"{height}x{width}"


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


class Most(NamedTuple):
    """What an image that is decoded has at most."""

    side_pixels: int
    pixels: int
    scans: int


def image_facts(
    cells: Sequence[bytes | np.ndarray | None], most: Most, has_prints: bool = False, most_bytes: float = math.inf
) -> list[ImageFacts]:
    """The facts of each cell. Images with a longer side, more pixels or more scans than `most` are not decoded, nor those
    after the first whose pixels have more than `most_bytes` together."""
    facts, n_bytes = [], 0
    for cell in cells:
        facts.append(_facts(cell, most, has_prints) if n_bytes <= most_bytes else ImageFacts("not decoded"))
        n_bytes += facts[-1].n_bytes
    return facts


def _tensors(chunk: pa.Array) -> list[np.ndarray | None]:
    valid = np.asarray(chunk.is_valid())
    present = chunk.filter(pa.array(valid))
    values = present.storage.flatten()
    if values.null_count:  # a missing pixel is a NaN pixel
        scale = 255.0 if pat.is_uint8(values.type) else 1.0
        pixels = pc.fill_null(pc.divide(pc.cast(values, pa.float64()), scale), np.nan)
        kind = pa.fixed_shape_tensor(pa.float64(), chunk.type.shape, permutation=chunk.type.permutation)
        storage = pa.FixedSizeListArray.from_arrays(pixels, chunk.type.storage_type.list_size)
        present = pa.ExtensionArray.from_storage(kind, storage)
    arrays = iter(present.to_numpy_ndarray())
    return [next(arrays) if is_valid else None for is_valid in valid]


def _facts(cell: bytes | np.ndarray | None, most: Most, has_print: bool) -> ImageFacts:
    if cell is None:
        return ImageFacts(None)
    return _of_tensor(cell, has_print) if isinstance(cell, np.ndarray) else _of_bytes(cell, most, has_print)


def _of_tensor(cell: np.ndarray, has_print: bool) -> ImageFacts:
    shown = f"tensor {'x'.join(map(str, cell.shape))} {cell.dtype}"
    is_finite = bool(np.isfinite(cell).all())
    is_in_range = bool(cell.dtype.kind == "u" or ((cell >= 0) & (cell <= 1)).all()) if is_finite else None
    if is_in_range is False:
        shown = f"{shown} from {cell.min():g} to {cell.max():g}"
    return _sized(cell, shown, is_finite, is_in_range, has_print)


def _of_bytes(data: bytes, most: Most, has_print: bool) -> ImageFacts:
    try:
        image = EncodedImage(data)
        (height, width), n_scans = image.stored_size, image.n_scans
        is_large = max(height, width) > most.side_pixels or height * width > most.pixels
        if is_large or n_scans > most.scans:
            shown = f"{image.format} {size_words(height, width)}" + (f" in {n_scans:,} scans" if n_scans > 1 else "")
            return ImageFacts(shown, identity=data, n_scans=n_scans, **_measures(height, width))
        pixels = image.pixels()
    except ContractError as error:
        return ImageFacts(shorten(printable(_found(str(error)))), decodes=False, identity=data)
    return _sized(pixels, f"{image.format} {size_words(*pixels.shape[:2])}", True, True, has_print, n_scans)


def _sized(
    pixels: np.ndarray, shown: str, is_finite: bool, is_in_range: bool | None, has_print: bool, n_scans: int = 1
) -> ImageFacts:
    height, width = pixels.shape[:2]
    return ImageFacts(
        shown,
        decodes=True,
        n_bytes=pixels.nbytes,
        n_scans=n_scans,
        size=size_words(height, width),
        is_finite=is_finite,
        is_in_range=is_in_range,
        identity=pixels_digest(pixels),
        print=image_print(pixels) if has_print else None,
        **_measures(height, width),
    )


class _Measures(TypedDict):
    short_side_pixels: int
    long_side_pixels: int
    n_pixels: int


def _measures(height: int, width: int) -> _Measures:
    return {"short_side_pixels": min(height, width), "long_side_pixels": max(height, width), "n_pixels": height * width}


def _found(message: str) -> str:
    """What was found, of the decoder's message."""
    return message.partition("found ")[2].rpartition(". Write")[0]
