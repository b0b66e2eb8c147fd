"""Pixels of encoded images: the one decoder of gate and models, so that what is checked is what is learnt from.

Rules: the EXIF orientation is applied, as viewers do; of an animation or a multi-picture file the first picture counts;
palettes, CMYK and black-and-white become RGB; 16-bit grey keeps its depth, 16-bit colour is read with 8 bits; transparency is
dropped; colour profiles are not applied. Letters: H, W, C height, width and channels of an upright image.

Pillow's format classes are called directly: `Image.open` checks against a limit of its own, and takes other formats.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct

import numpy as np
from PIL import Image, ImageFile, ImageOps, JpegImagePlugin, PngImagePlugin

from mixval.errors import ContractError

VERSION = 2
"""Raised whenever an image is read as other pixels: part of every fingerprint of a pass over images."""
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_FEW_SCANS = 8
"""Up to so many are counted with those of pictures within the picture."""
_SCAN, _END, _WITHOUT_LENGTH = 0xDA, 0xD9, {0x01, *range(0xD0, 0xD9)}
"""Markers of JPEG (ITU-T T.81, table B.1): start of scan, end of image, and those that no length follows."""
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_ERRORS = (MemoryError, OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error)
"""What Pillow raises on broken files, by its documentation and by experiment."""
_COLOURS = ("1", "L", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "P", "PA")


class EncodedImage:
    """An image whose header has been read; pixels are decoded when asked for."""

    def __init__(self, data: bytes) -> None:
        """Raises ContractError, without naming a place, for bytes that are no PNG or JPEG."""
        opener: type[ImageFile.ImageFile]
        if data.startswith(PNG):
            self.format, opener = "PNG", PngImagePlugin.PngImageFile
        elif data.startswith(JPEG):
            self.format, opener = "JPEG", JpegImagePlugin.JpegImageFile
        else:
            begins = f"{len(data):,} bytes that begin with {data[:8].hex(' ')}" if data else "0 bytes"
            raise ContractError(f"a PNG or JPEG was expected, found {begins}. Write the image again, or drop the row.")
        self._data = data
        try:
            self._image = opener(io.BytesIO(data))
        except _ERRORS as error:
            raise self._broken(error) from error

    @property
    def n_scans(self) -> int:
        """Passes over all pixels that decoding takes: the scans of a JPEG, up to 8 with those of its thumbnails; else 1."""
        if self.format != "JPEG":
            return 1
        n = self._data.count(bytes((0xFF, _SCAN)))
        return n if n <= _FEW_SCANS else _count_scans(self._data)

    @property
    def stored_size(self) -> tuple[int, int]:
        """Height and width by the header, before it is turned upright."""
        width, height = self._image.size
        return height, width

    def pixels(self) -> np.ndarray:  # (H, W, 3) uint8, or (H, W, 1) uint16
        """The upright image. Raises ContractError, without naming a place, where it does not decode to 8 or 16 bits."""
        try:
            self._image.load()
            return _values(ImageOps.exif_transpose(self._image))
        except _ERRORS as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> ContractError:
        return ContractError(
            f"a PNG or JPEG that decodes was expected, found {self.format} of {len(self._data):,} bytes that do not: {error}. "
            "Write the image again, or drop the row."
        )


def in_unit_interval(pixels: np.ndarray) -> np.ndarray:  # float32, same shape
    """Pixels as floats in [0, 1]: unsigned integers over their largest value, floats as they are."""
    if pixels.dtype.kind == "u":
        floats = pixels.astype(np.float32)
        floats /= np.float32(np.iinfo(pixels.dtype).max)  # in its place: an image may take hundreds of megabytes
        return floats
    return pixels.astype(np.float32)


def as_eight_bits(pixels: np.ndarray) -> np.ndarray:  # (H, W, C) -> (H, W, 1 or 3) uint8
    """The image at 8 bits a channel without transparency, and with one channel where all are equal: it looks the same."""
    values = pixels[:, :, :3] if pixels.shape[2] == 4 else pixels
    if values.dtype != np.uint8:
        values = np.rint(np.nan_to_num(in_unit_interval(values)).clip(0, 1) * 255).astype(np.uint8)
    is_grey = all(np.array_equal(values[:, :, at], values[:, :, 0]) for at in range(1, values.shape[2]))
    return values[:, :, :1] if is_grey else values


def pixels_digest(pixels: np.ndarray) -> bytes:
    """16 bytes that are the same for images that look the same, however they are encoded."""
    seen = np.ascontiguousarray(as_eight_bits(pixels))
    name = hashlib.blake2b(str(seen.shape).encode(), digest_size=16)
    name.update(seen.data)
    return name.digest()


def _count_scans(data: bytes) -> int:
    """Scans before the end of a JPEG, as a decoder meets them."""
    n, at = 0, 2
    while (found := _NEXT_MARKER.search(data, at)) is not None:
        marker, at = data[found.end() - 1], found.end()
        if marker == _END:
            break
        n += marker == _SCAN
        if marker not in _WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")
    return n


def _values(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)[:, :, None]
    if image.mode not in _COLOURS:
        raise ContractError(
            f"an image of 8 or 16 bits a channel was expected, found mode {image.mode!r}. Write the image again, or drop the "
            "row."
        )
    whole = image.convert("RGBA") if image.mode in ("P", "PA") else image  # palettes may hold transparency
    return np.asarray(whole.convert("RGB"))
