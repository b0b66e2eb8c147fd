"""Files of texts with known differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WORDS = [f"{first}{last}" for first in ("ba", "ko", "li", "mu", "ne", "po") for last in ("r", "st", "nd", "ve", "sha", "x")]


def texts(seed: int, exponent: float, n: int = 60) -> list[str]:
    """Texts of words with Zipf's frequencies."""
    weights = np.arange(1, len(WORDS) + 1) ** -exponent
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size=50, p=weights / weights.sum())) for _ in range(n)]


def write(file: Path, **columns: Any) -> None:
    """A Parquet file."""
    file.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), file)


def planted(folder: Path) -> Path:
    """A target; `near` of its kind, in two files; `far`, half of which are synthetic rows with few words."""
    for name, seed, exponent in (("target", 0, 0.8), ("near/a", 1, 0.8), ("near/b", 2, 0.8)):
        write(folder / f"{name}.parquet", text=texts(seed, exponent))
    both = [*texts(3, 0.8), *texts(4, 2.0)]
    write(folder / "far.parquet", text=both, origin=["real"] * 60 + ["synthetic"] * 60)
    return folder
