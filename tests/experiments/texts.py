"""Tiny texts of which one kind is of the language that is tested and the other is not, and a study of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.load import parse_config_as
from mixval.experiments.study.config import StudyConfig

ALPHABETS = {"real": "abcd", "near": "abcd", "far": "wxyz"}


def write_texts(file: Path, letters: str, n: int, seed: int) -> str:
    """Documents of random words of these letters; where it lies."""
    random = np.random.default_rng(seed)
    texts = [" ".join("".join(random.choice(list(letters), 3)) for _ in range(20)) for _ in range(n)]
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"body": texts}), file)
    return str(file)


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """Three sizes, three budgets and two kinds of synthetic text."""
    synthetic = {
        name: write_texts(folder / f"{name}.parquet", ALPHABETS[name], 60, at) for at, name in enumerate(("near", "far"))
    }
    return {
        "real": write_texts(folder / "real.parquet", "abcd", 60, 7),
        "synthetic": synthetic,
        "made_by": {"near": "hq-rephrase", "far": "textbook"},
        "held_out": {
            name: write_texts(folder / f"held-{name}.parquet", "abcd", 8, 9 + at) for at, name in enumerate(("web", "books"))
        },
        "column": "body",
        "tokenizer": "byte",
        "output": str(folder / "out"),
        "sizes": [{"name": f"d{d}", "dim": d, "layers": 1, "heads": 1, "ffn_multiple": 8} for d in (4, 8, 16)],
        "budgets": [640, 768, 1024],
        "ratios": [0, 33, 100],
        "replicates": 2,
        "recipe": {"learning_rate": 0.03, "context": 16, "batch_tokens": 64, "pass_sequences": 4, "products": "float32"},
        "evaluation_context": 16,
    } | changes


def config_of(folder: Path, **changes: Any) -> StudyConfig:
    """The same, parsed."""
    return parse_config_as(StudyConfig, settings(folder, **changes))
