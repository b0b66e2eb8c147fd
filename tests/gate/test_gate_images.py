"""Facts about image cells: formats, sizes before pixels, broken files, tensors."""

import struct
import tracemalloc
import zlib

import numpy as np
import pyarrow as pa
import pytest

from mixval.gate.images import Most, image_cells, image_facts


def one(cell, max_side=64):
    return image_facts([cell], Most(max_side, 1 << 20, 10))[0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_good_images(png, kind):
    fact = one(png(side=12, kind=kind))
    assert (fact.decodes, fact.short_side_pixels, fact.long_side_pixels, fact.is_finite) == (True, 12, 12, True)
    assert fact.shown == f"{kind} 12x12"


def test_broken_images(png):
    good = png(side=32)
    middle = len(good) // 2
    broken = [
        b"",
        good[:6],
        good[:20],
        good[:middle],
        good[:middle] + b"\x00" * 40 + good[middle + 40 :],
        b"GIF89a" + b"\0" * 40,
    ]
    assert [one(data).decodes for data in broken] == [False] * len(broken)
    assert one(png(kind="JPEG", side=32)[:200]).decodes is False


def test_null_is_not_a_broken_image():
    fact = one(None)
    assert (fact.shown, fact.decodes, fact.short_side_pixels) == (None, None, None)


def png_header(side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_sized_but_not_decoded():
    tracemalloc.start()
    fact = one(png_header(100_000), max_side=8192)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (fact.decodes, fact.long_side_pixels) == (None, 100_000)
    assert peak_bytes < 1_000_000


def test_struct_dictionary_and_chunks(png):
    data = [png(0), None, png(1)]
    structs = pa.chunked_array([pa.array([{"bytes": d, "path": "x"} for d in data])])
    coded = pa.chunked_array([pa.array(data, pa.binary()).dictionary_encode()])
    assert image_cells(structs) == data
    assert image_cells(coded) == data


def test_tensors_with_null_cells_and_null_pixels():
    pixels = np.arange(3 * 8 * 8 * 3, dtype=np.uint8).reshape(3, 8, 8, 3)
    array = pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
    cells = image_cells(pa.chunked_array([array, array.take(pa.array([1, None]))]))
    assert [c is None for c in cells] == [False, False, False, False, True]
    assert np.array_equal(cells[3], pixels[1])
    kind = pa.fixed_shape_tensor(pa.uint8(), (2, 2, 1))
    holes = pa.array([[1, None, 3, 4], [1, 2, 3, 4]], pa.list_(pa.uint8(), 4))
    facts = image_facts(image_cells(pa.chunked_array([pa.ExtensionArray.from_storage(kind, holes)])), Most(64, 64, 1))
    assert [fact.is_finite for fact in facts] == [False, True]
