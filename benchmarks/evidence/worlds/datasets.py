"""The data sets of the evidence as tables under the row contract, with `id`, `source` and, where rows have no label, `group`.

`DIR` holds a folder a task with `real.parquet`, `synthetic.parquet` and `test.parquet`. Rows for pretraining and rows for
worlds are separated by their `id`, a hash of the content: no checkpoint of `pretrain.py` was trained on a row of a world.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.evidence.worlds.planted_generator import generated_rows
from mixval.config.tasks import Task
from mixval.errors import ConfigError

Part = Literal["world", "pretraining", "all"]
PRETRAINING_OF_256 = 96
"""Ids whose first byte is below this are for pretraining: 37.5% of text rows."""
MAX_ANSWER_CHARS = 600
PIECE_CHARS = 480
"""Of a passage, about 130 tokens of `pretrain.py`'s vocabulary."""
PLANTED = ((8, 0.6), (16, 1.0), (32, 1.0))
"""Components and temperature of the planted generators of CIFAR-100."""
PLANTED_ROWS_PER_CLASS = 40

IMAGE = pa.schema([("id", pa.string()), ("source", pa.string()), ("image", pa.binary()), ("label", pa.int64())])
REVIEW = pa.schema([("id", pa.string()), ("source", pa.string()), ("text", pa.string()), ("label", pa.int64())])
ANSWER = pa.schema([(name, pa.string()) for name in ("id", "source", "group", "prompt", "response")])
PASSAGE = pa.schema([(name, pa.string()) for name in ("id", "source", "group", "text")])


@dataclass(frozen=True)
class Dataset:
    """What a world is drawn from."""

    task: Task
    real: pa.Table
    synthetic: pa.Table
    held_out: pa.Table


@dataclass(frozen=True)
class _Reading:
    folder: str
    task: Task
    schema: pa.Schema
    read: Callable[[dict[str, Any]], list[dict[str, Any]]]
    """From a raw row to the contract's: none where it is unfit, several where it is long."""
    is_split: bool
    """Whether some of its rows are kept for pretraining."""


def _image(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"image": raw["image"], "label": raw["label"]}]


def _review(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"text": " ".join(raw["text"].lower().split()), "label": raw["label"]}]  # SST-2 is lower case


def _instruction(raw: dict[str, Any]) -> list[dict[str, Any]]:
    prompt = "\n\n".join(part for part in (raw["instruction"], raw["input"]) if part.strip())
    if not raw["output"].strip() or len(prompt) + len(raw["output"]) > MAX_ANSWER_CHARS:
        return []
    family, _, rest = raw["source"].partition("/")
    source = raw["source"] if family == "gpteacher" else family  # the others name a model each, of few answers
    return [{"prompt": prompt, "response": raw["output"], "group": rest if family == "dolly" else source, "source": source}]


def _solution(raw: dict[str, Any]) -> list[dict[str, Any]]:
    if not raw["final"] or len(raw["question"] + raw["answer"]) > MAX_ANSWER_CHARS:
        return []
    return [{"prompt": raw["question"], "response": raw["answer"], "group": "right" if raw["is_correct"] else "wrong"}]


def _passage(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Pieces of at most `PIECE_CHARS`, cut between words; one under half of that is left out."""
    source = {"continued": "continued", "rephrased": "rewritten", "generated": "rewritten"}.get(raw["kind"], raw["source"])
    pieces = textwrap.wrap(raw["text"], PIECE_CHARS, break_long_words=True)
    return [
        {"id": f"{raw['id']}-{at}", "text": piece, "group": f"{raw['kind']}/{raw['source']}", "source": source}
        for at, piece in enumerate(pieces)
        if len(piece) >= PIECE_CHARS // 2
    ]


READINGS = {
    "cifar10": _Reading("image_cifar10", "image-classification", IMAGE, _image, is_split=False),
    "cifar100": _Reading("image_cifar100", "image-classification", IMAGE, _image, is_split=False),
    "sentiment": _Reading("sentiment", "text-classification", REVIEW, _review, is_split=True),
    "instruction": _Reading("instruction", "instruction", ANSWER, _instruction, is_split=True),
    "reasoning": _Reading("reasoning", "instruction", ANSWER, _solution, is_split=True),
    "lm": _Reading("lm", "language-modelling", PASSAGE, _passage, is_split=True),
}


def read_dataset(name: str, data: Path, part: Part = "world", holds_out_more: bool = False) -> Dataset:
    """The data set below `data`. CIFAR-100 has no synthetic rows of its own and gets planted generators' (`PLANTED`).

    With `holds_out_more`, real rows for pretraining are held out too: for a backbone that is pretrained on none of them.
    """
    if name not in READINGS:
        raise ConfigError(f"expected a data set out of {', '.join(READINGS)}, found {name!r}. Choose one of them.")
    reading = READINGS[name]
    real = _read(reading, data, "real", part)
    if name == "cifar100":
        made = [generated_rows(real, PLANTED_ROWS_PER_CLASS, temperature, k, seed=0) for k, temperature in PLANTED]
        synthetic = pa.concat_tables(made)
    else:
        synthetic = _read(reading, data, "synthetic", part)
    held_out = [_read(reading, data, "test", "all")]
    if holds_out_more:
        held_out.append(_read(reading, data, "real", "pretraining"))
    return Dataset(reading.task, real, synthetic, pa.concat_tables(held_out))


def _read(reading: _Reading, data: Path, split: str, part: Part) -> pa.Table:
    file = data / reading.folder / f"{split}.parquet"
    if not file.is_file():
        raise ConfigError(f"{file}: no such file. --data must name the folder that holds `{reading.folder}`.")
    rows = []
    for raw in pq.read_table(file).to_pylist():
        is_pretraining = int(raw["id"][:2], 16) < PRETRAINING_OF_256
        if reading.is_split and part != "all" and is_pretraining != (part == "pretraining"):
            continue
        rows += [{"id": raw["id"], "source": raw["source"]} | content for content in reading.read(raw)]
    return pa.Table.from_pylist(rows, schema=reading.schema)
