"""Domain shifts: the same content from a worse camera or a careless writer. Strength s in (0, 1]; s = 0 leaves rows alone.

blur          Gaussian, radius 2 s pixels
contrast      x -> m + (1 - 0.9 s)(x - m), m the image's mean grey
quantise      2^b levels a channel, b = 8 - 6 s rounded to bits: 8 down to 2
word-dropout  each word is left out with probability s / 2; one stays
upper-case    each word is in upper case with probability s
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from benchmarks.evidence.worlds.design import ImageShift, TextShift


def _blur(image: Image.Image, strength: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(2 * strength))


def _contrast(image: Image.Image, strength: float) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(1 - 0.9 * strength)


def _quantise(image: Image.Image, strength: float) -> Image.Image:
    return ImageOps.posterize(image, round(8 - 6 * strength))


_IMAGE: dict[ImageShift, Callable[[Image.Image, float], Image.Image]] = {
    "blur": _blur,
    "contrast": _contrast,
    "quantise": _quantise,
}


def shift_image(encoded: bytes, kind: ImageShift, strength: float) -> bytes:
    """The image, shifted, as PNG bytes; `strength` 0 gives the bytes back."""
    if strength == 0:
        return encoded
    with Image.open(io.BytesIO(encoded)) as image:
        shifted = _IMAGE[kind](image.convert("RGB"), strength)
    sink = io.BytesIO()
    shifted.save(sink, "PNG")
    return sink.getvalue()


def shift_text(text: str, kind: TextShift, strength: float, random: np.random.Generator) -> str:
    """The text, shifted; white space becomes single blanks wherever words were touched."""
    words = text.split()
    if strength == 0 or not words:
        return text
    hit = random.random(len(words)) < (strength / 2 if kind == "word-dropout" else strength)
    if kind == "upper-case":
        return " ".join(word.upper() if chosen else word for word, chosen in zip(words, hit, strict=True))
    hit[random.integers(len(words))] = False
    return " ".join(word for word, chosen in zip(words, hit, strict=True) if not chosen)
