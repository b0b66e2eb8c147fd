"""Who is accused of nearly copying the target, and which altered copies are found by `mixval/gate/near.py`.

python -m benchmarks.near_copies [DIR]

Prints are of rows alone: figures are the same for any model, trained or not. Worlds: the examples' rows; made-up short
sentences over few words; the same below lines that all rows share, and that half of them share; with DIR (a folder a data set,
as `benchmarks/evidence/worlds/datasets.py` reads them) also rows of its data sets, synthetic ones as honest contributors too.

A line a world: T's rows, rows a contributor; how many honest contributors are accused, of how many; by alteration the share of
rows that is reported of a contributor of copies alone, and of one of which a tenth are copies.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.evidence.worlds.datasets import read_dataset
from mixval.contracts.pixels import EncodedImage
from mixval.gate.near import printed_set
from mixval.gate.prints import image_print, text_prints
from mixval.gate.spelling import plain_text

EXAMPLES = Path(__file__).parents[1] / "examples"
SETS = ("cifar10", "cifar100", "sentiment", "instruction", "reasoning", "lm")
SIZES = ((20, 40), (200, 200), (1000, 500))
"""Rows of T, and of a contributor."""
HONEST = 40
TENTH = 10
NOUNS = ("the", "a", "film", "song", "meal", "story", "book", "room", "staff", "music", "plot", "food")
WORDS = ("bright", "fine", "lovely", "glad", "warm", "sweet", "superb", "kind", "dull", "poor", "ugly", "sad", "cold", "sour")
OTHER_WORDS = ("quite", "thing", "really", "where", "again", "old", "small", "near", "often", "first")
LICENCE = "Permission is granted to anyone to use this text for any purpose, if this notice stays. " * 5

Rows = list[Any]
"""Texts, or (H, W, 3) arrays."""
Alteration = Callable[[Any, np.random.Generator], Any]


@dataclass(frozen=True)
class World:
    """Honest rows, those of T apart."""

    name: str
    target: Rows
    pools: Sequence[Rows]
    """Rows from which honest contributors are drawn, each from one of them."""


def words_changed(share: float) -> Alteration:
    """Replaces that share of a text's words, one at least."""

    def alter(text: str, draw: np.random.Generator) -> str:
        words = text.split()
        for at in draw.permutation(len(words))[: max(1, round(share * len(words)))]:
            words[at] = str(draw.choice(OTHER_WORDS))
        return " ".join(words)

    return alter


def _jpeg(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return EncodedImage(file.getvalue()).pixels()


TEXTS: dict[str, Alteration] = {
    "one word": words_changed(0),
    "a tenth of the words": words_changed(0.1),
    "a fifth of the words": words_changed(0.2),
    "a sentence more": lambda text, draw: f"{text} It was {draw.choice(OTHER_WORDS)} {draw.choice(OTHER_WORDS)}.",
}
IMAGES: dict[str, Alteration] = {
    "±3 a pixel": lambda image, draw: np.clip(image + draw.integers(-3, 4, image.shape), 0, 255).astype(np.uint8),
    "darker": lambda image, _: (image * 0.7).astype(np.uint8),
    "JPEG again": _jpeg,
    "mirrored": lambda image, _: image[:, ::-1],
    "shifted by a pixel": lambda image, _: np.roll(image, 1, axis=1),
    "cropped by a tenth": lambda image, _: _cropped(image),
}


def _cropped(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    edge_y, edge_x = max(1, height // 20), max(1, width // 20)
    inner = Image.fromarray(np.ascontiguousarray(image[edge_y : height - edge_y, edge_x : width - edge_x]))
    return np.asarray(inner.resize((width, height), Image.Resampling.BILINEAR))


def _prints(rows: Rows) -> np.ndarray:
    made = [image_print(row) if isinstance(row, np.ndarray) else text_prints([plain_text(row)])[0] for row in rows]
    return np.stack(made)


def _sentences(seed: int, n: int, before: Callable[[int], str] = lambda _: "") -> Rows:
    draw = np.random.default_rng(seed)
    nouns, words = draw.choice(NOUNS, (n, 2)), draw.choice(WORDS, (n, 2))
    return [f"{before(i)}{nouns[i, 0]} was {words[i, 0]} and {nouns[i, 1]} {words[i, 1]} no {seed}{i}" for i in range(n)]


def _rows(table: pa.Table) -> Rows:
    if "image" in table.column_names:
        cells = table["image"].to_pylist()
        return [EncodedImage(cell["bytes"] if isinstance(cell, dict) else cell).pixels() for cell in cells]
    names = [name for name in ("text", "prompt", "response") if name in table.column_names]
    return [" ".join(map(str, row)) for row in zip(*(table[name].to_pylist() for name in names), strict=True)]


def _example(name: str) -> World:
    def read(folder: str) -> Rows:
        files = sorted((EXAMPLES / name / "data" / folder).rglob("*.parquet"))
        return [row for file in files for row in _rows(pq.ParquetFile(file).read())]

    return World(f"examples/{name}", read("target"), [read("contributors")])


def _data_set(name: str, folder: Path) -> World:
    held = read_dataset(name, folder, "all")
    pools = [table.slice(0, 6000) for table in (held.real, held.synthetic) if table.num_rows]
    return World(name, _rows(held.held_out.slice(0, 1000)), [_rows(pool) for pool in pools])


def worlds(folder: Path | None) -> list[World]:
    """All worlds."""
    made = [_example(name) for name in ("images", "reviews", "answers")]
    shared: dict[str, Callable[[int], str]] = {
        "short sentences": lambda _: "",
        "below shared lines": lambda _: LICENCE,
        "half below shared lines": lambda i: LICENCE if i % 2 else "",
    }
    made += [World(name, _sentences(9, 1000, before), [_sentences(1, 6000, before)]) for name, before in shared.items()]
    return made + ([] if folder is None else [_data_set(name, folder) for name in SETS])


def measured(world: World, n_target: int, n_rows: int) -> str | None:
    """A line of figures; None where the world has fewer rows."""
    if len(world.target) < n_target or any(len(pool) < n_rows for pool in world.pools):
        return None
    draw = np.random.default_rng(0)
    target = [world.target[at] for at in draw.permutation(len(world.target))[:n_target]]
    held, pools = printed_set(_prints(target)), [_prints(pool) for pool in world.pools]
    if held is None:
        return None
    drawn = [pools[k % len(pools)] for k in range(HONEST)]
    honest = [pool[draw.permutation(len(pool))[:n_rows]] for pool in drawn]
    accused = sum(held.near_share(prints) > 0 for prints in honest)
    alterations, shares = IMAGES if isinstance(target[0], np.ndarray) else TEXTS, []
    for name, alter in alterations.items():
        copies = _prints([alter(row, draw) for row in target])
        tenth = np.concatenate([honest[0], copies[draw.permutation(n_target)[: max(1, n_rows // TENTH)]]])
        shares.append(f"{name} {held.near_share(copies):.2f}, {held.near_share(tenth):.2f}")
    return f"| {world.name} | {n_target}, {n_rows} | {accused} of {HONEST} | {'; '.join(shares)} |"


def main() -> None:
    """Prints a line a world and size."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print("| world | rows of T, of a contributor | honest accused | copies found: of copies alone, of a tenth copies |")
    print("| --- | --- | --- | --- |")
    for world in worlds(folder):
        for size in SIZES:
            if (line := measured(world, *size)) is not None:
                print(line, flush=True)


if __name__ == "__main__":
    main()
