"""Builds the texts of examples/mixtures from larger raw files.

    python -m examples.texts --data DIR

`DIR` holds `real.parquet`, `synthetic.parquet` and `test.parquet` with columns id, text, kind and source; examples/LICENSES.md
says where their rows come from. Written are, below examples/mixtures/data: natural documents of the web and of an encyclopedia,
articles of the encyclopedia told again by a model, chapters of textbooks by models, and held-out documents of three domains.
The same raw files and pyarrow give the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent / "mixtures"
MOST_CHARS = {"textbook": 1_150_000, "held_out/textbook": 160_000}
"""Of texts of which the raw files have more than a study on processors takes: the first documents up to so many characters."""
TEXTS: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
    "real": ("real", lambda row: row["kind"] in {"web", "encyclopedia"}),
    "rephrased": ("synthetic", lambda row: row["kind"] == "rephrased"),
    "textbook": ("synthetic", lambda row: row["kind"] == "textbook"),
    "held_out/web": ("test", lambda row: row["kind"] == "web"),
    "held_out/encyclopedia": ("test", lambda row: row["kind"] == "encyclopedia"),
    "held_out/textbook": ("test", lambda row: row["kind"] == "textbook"),
}
"""File -> the raw file that its rows are of, and which they are."""


def build(data: Path, out: Path) -> None:
    """All files, from nothing."""
    for name, (raw, is_taken) in TEXTS.items():
        rows = [row for row in pq.read_table(data / f"{raw}.parquet").to_pylist() if is_taken(row)]
        kept, left = [], MOST_CHARS.get(name)
        for row in rows:
            if left is not None and (left := left - len(row["text"])) < 0:
                break
            kept.append({key: row[key] for key in ("id", "text", "source")})
        file = out / "data" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(kept)
        pq.write_table(table, file, compression="zstd", compression_level=19, use_dictionary=["source"])
        n_chars = sum(len(row["text"]) for row in kept)
        print(f"{name}: {len(kept)} documents, {n_chars:,} characters, {file.stat().st_size:,} bytes")


def main() -> None:
    """Build from the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Builds the texts of examples/mixtures from raw files.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the raw files")
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    if not given.data.is_dir():
        parser.error(f"--data must be the folder of the raw files (see examples/LICENSES.md); {given.data} is no folder")
    build(given.data, given.out)


if __name__ == "__main__":
    main()
