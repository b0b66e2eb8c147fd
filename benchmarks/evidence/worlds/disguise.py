"""Copies that say the same and are other rows to the gate: what a comparison of digests does not see.

images   one channel of one pixel moves by one level of 256, and the image is written anew as PNG
texts    one letter is written twice: blanks and capitals alone are no other row to the gate
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from benchmarks.evidence.worlds.spoiling import replaced
from mixval.config.tasks import Task, spec_of
from mixval.errors import ContractError


def disguised(rows: pa.Table, task: Task, random: np.random.Generator) -> pa.Table:
    """The rows with their first input column slightly altered, each at random. Raises ContractError for other types."""
    name = spec_of(task).inputs[0]
    return replaced(rows, name, [_altered(value, name, random) for value in rows[name].to_pylist()])


def _altered(value: Any, name: str, random: np.random.Generator) -> Any:
    if isinstance(value, bytes):
        return altered_image(value, random)
    if isinstance(value, str):
        return altered_text(value, random)
    if isinstance(value, list) and value:
        last = value[-1] | {"content": altered_text(value[-1]["content"] or "", random)}
        return [*value[:-1], last]
    raise ContractError(
        f"a copy can be disguised where {name!r} holds encoded images, strings or messages, found {type(value).__name__}. "
        "Convert the column."
    )


def altered_image(encoded: bytes, random: np.random.Generator) -> bytes:
    """The image as PNG, one channel of one pixel one level off."""
    with Image.open(io.BytesIO(encoded)) as image:
        pixels = np.array(image.convert("RGB"))
    place = tuple(int(random.integers(side)) for side in pixels.shape)
    pixels[place] = pixels[place] - 1 if pixels[place] else 1
    return png(pixels)


def png(pixels: np.ndarray) -> bytes:  # (H, W, 3) uint8
    """The pixels as PNG."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def altered_text(text: str, random: np.random.Generator) -> str:
    """The text with one letter written twice."""
    letters = [at for at, letter in enumerate(text) if letter.isalpha()]
    if not letters:
        return f"{text}."
    at = letters[int(random.integers(len(letters)))]
    return text[: at + 1] + text[at:]
