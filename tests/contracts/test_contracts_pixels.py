"""What an encoded image looks like: orientation, modes, animations, and names of what is seen."""

import io

import numpy as np
import pytest
from PIL import Image

from mixval.contracts.pixels import EncodedImage, as_eight_bits, in_unit_interval, pixels_digest
from mixval.errors import ContractError

COLOUR = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
TURNED_BACK = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
"""Orientation -> how an upright image is stored under it (EXIF 2.3, tag 274)."""


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return file.getvalue()


def pixels(data):
    return EncodedImage(data).pixels()


@pytest.mark.parametrize("orientation", TURNED_BACK)
def test_a_picture_that_is_stored_turned_is_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(np.ascontiguousarray(TURNED_BACK[orientation](COLOUR)), exif=exif)
    assert np.array_equal(pixels(data), COLOUR)
    assert pixels_digest(pixels(data)) == pixels_digest(COLOUR)


def test_a_jpeg_s_orientation_is_applied_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    upright, turned = encoded(COLOUR, "JPEG"), encoded(np.rot90(COLOUR).copy(), "JPEG", exif=exif)
    assert EncodedImage(turned).stored_size == (8, 6)
    assert pixels(turned).shape == pixels(upright).shape == (6, 8, 3)


def test_modes():
    grey = COLOUR[:, :, :1]
    same = np.repeat(grey, 3, axis=2)
    assert np.array_equal(pixels(encoded(grey[:, :, 0])), same)
    assert np.array_equal(pixels(encoded(Image.fromarray(grey[:, :, 0]).convert("LA"))), same)
    clear = np.dstack([COLOUR, np.zeros((6, 8), np.uint8)])
    assert np.array_equal(pixels(encoded(clear)), COLOUR)
    few = (COLOUR // 128) * 255
    assert np.array_equal(pixels(encoded(Image.fromarray(few).quantize(8), transparency=0)), few)
    black = Image.fromarray(np.full((8, 8), 255, np.uint8)).convert("1")
    assert np.array_equal(pixels(encoded(black)), np.full((8, 8, 3), 255))
    flat = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(pixels(encoded(flat, "JPEG")).astype(int) - [255, 0, 0]).max() < 8
    deep = (grey[:, :, 0].astype(np.uint16) << 8) + 7
    assert np.array_equal(pixels(encoded(deep))[:, :, 0], deep)
    assert in_unit_interval(pixels(encoded(np.full((8, 8), 65535, np.uint16)))).max() == 1


def test_of_an_animation_the_first_picture_counts():
    first, second = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    assert np.array_equal(pixels(encoded(first, save_all=True, append_images=[second])), COLOUR)


def test_what_looks_the_same_has_one_name():
    grey = COLOUR[:, :, :1]
    alike = [
        grey,
        np.repeat(grey, 3, axis=2),
        np.dstack([np.repeat(grey, 3, axis=2), np.full((6, 8), 9, np.uint8)]),
        grey.astype(np.uint16) * 257,
        (grey / 255).astype(np.float32),
        pixels(encoded(grey[:, :, 0], compress_level=1)),
    ]
    assert len({pixels_digest(image) for image in alike}) == 1
    others = [COLOUR, grey[::-1], grey.reshape(8, 6, 1), as_eight_bits(grey + np.uint8(1))]
    assert len({pixels_digest(image) for image in [grey, *others]}) == 5


def test_what_is_no_picture_says_so():
    with pytest.raises(ContractError, match="found 3 bytes that begin with 47 49 46"):
        EncodedImage(b"GIF")
    with pytest.raises(ContractError, match=r"found PNG of \d+ bytes that do not"):
        pixels(encoded(COLOUR)[:-40])
