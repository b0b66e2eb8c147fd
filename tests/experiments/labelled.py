"""Rows of text whose label is their only word: any model that has seen a class a few times knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord")


def write_rows(file: Path, n_a_class: int) -> Path:
    """A file with so many rows of each class."""
    file.parent.mkdir(parents=True, exist_ok=True)
    labels = [label for label in range(len(WORDS)) for _ in range(n_a_class)]
    texts = [f"{WORDS[label]} number {at}" for at, label in enumerate(labels)]
    pq.write_table(pa.table({"text": texts, "label": labels}), file)
    return file


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """A tiny configuration: six classes, a linear model of words."""
    return {
        "task": "text-classification",
        "rows": str(write_rows(folder / "rows" / "part.parquet", 8)),
        "test": str(write_rows(folder / "test" / "part.parquet", 4).parent),
        "output": str(folder / "out"),
        "backbone": {"random_init": {"architecture": "ngrams", "settings": {"n_features": 256}}, "max_length": 32},
        "tail": {"beta": 2, "cut": 3, "real": 0.25},
        "sizes": [2, 4, 8, 16, 64, 200],
        "replicates": 2,
        "recipe": {"learning_rate": 0.1, "batch_rows": 8, "epochs": 1, "min_steps": 20, "max_steps": 25},
    } | changes
