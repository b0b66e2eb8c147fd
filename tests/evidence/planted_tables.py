"""Small tables under each task's row contract, every row different, for worlds and trainings."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from mixval.config.tasks import Task

SIDE = 12
N_CLASSES = 4
SCHEMAS: dict[Task, pa.Schema] = {
    "image-classification": pa.schema(
        [("id", pa.string()), ("source", pa.string()), ("image", pa.binary()), ("label", pa.int64())]
    ),
    "text-classification": pa.schema(
        [("id", pa.string()), ("source", pa.string()), ("text", pa.string()), ("label", pa.int64())]
    ),
    "instruction": pa.schema([(name, pa.string()) for name in ("id", "source", "group", "prompt", "response")]),
    "language-modelling": pa.schema([(name, pa.string()) for name in ("id", "source", "group", "text")]),
}


def picture(label: int, seed: int) -> bytes:
    """A noisy PNG with one bright quarter, which tells the class."""
    random = np.random.default_rng([label, seed])
    pixels = random.integers(0, 130, (SIDE, SIDE, 3))
    half = SIDE // 2
    top, left = divmod(label % N_CLASSES, 2)
    pixels[top * half : (top + 1) * half, left * half : (left + 1) * half] += 70
    sink = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def row(task: Task, name: str, at: int) -> dict[str, Any]:
    """Row `at` of the table `name`: classes and groups take turns, and sources by three."""
    label = at % N_CLASSES
    sentence = f"{name} number {at} says that class {label} is {'good' if label % 2 else 'bad'}"
    content = {
        "image": lambda: picture(label, at + 100_000 * (name != "real")),
        "label": lambda: label,
        "text": lambda: sentence,
        "prompt": lambda: f"What does {name} {at} say?",
        "response": lambda: sentence,
        "group": lambda: f"g{label}",
        "id": lambda: f"{name}-{at}",
        "source": lambda: f"{name}/{at % 3}",
    }
    return {column: content[column]() for column in SCHEMAS[task].names}


def rows(task: Task, name: str, n: int) -> pa.Table:
    """`n` different rows."""
    return pa.Table.from_pylist([row(task, name, at) for at in range(n)], schema=SCHEMAS[task])
