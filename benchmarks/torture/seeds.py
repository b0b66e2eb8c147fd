"""Honest shards of every task, in many forms of Parquet, for mutations to begin from; and the worlds that they stand in."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.torture.world import LLAMA, WORDS, sentences
from mixval.config.load import parse_config
from mixval.config.tasks import EVERY_TASK, Task, spec_of
from mixval.config.valuation import ValuationConfig

HONEST = "honest"
SIDE = 8
N_TARGET, N_HONEST = 24, 24
TASKS: tuple[Task, ...] = EVERY_TASK
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
TYPES: dict[str, tuple[pa.DataType, ...]] = {
    "image": (pa.binary(), pa.large_binary(), pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    "label": (pa.int64(), pa.int32(), pa.int8(), pa.uint16()),
    "text": (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())),
    "messages": (MESSAGES,),
    "origin": (pa.string(), pa.dictionary(pa.int8(), pa.string())),
}
"""Types that a column of the contract may have."""
COMPRESSIONS = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")
ENCODINGS = {
    pa.string(): ("PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"),
    pa.binary(): ("PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"),
    pa.int64(): ("PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"),
    pa.int32(): ("PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"),
}


def rows(task: Task, n: int, start: int) -> dict[str, list[Any]]:
    """`n` rows of a task, as columns; rows of different `start` differ."""
    spec, texts = spec_of(task), sentences(n, 0.3, [start, n])
    labels = [i % 4 for i in range(n)]
    columns: dict[str, list[Any]] = {"origin": ["real" if i % 3 else "synthetic" for i in range(n)]}
    if spec.has_labels:
        columns["label"] = labels
    if spec.is_image:
        return columns | {"image": [_image(start + i, label) for i, label in enumerate(labels)]}
    if not spec.has_prompt:
        return columns | {"text": texts}
    return columns | {
        "messages": [
            [{"role": "user", "content": f"Say {WORDS[i % len(WORDS)]} {start}"}, {"role": "assistant", "content": text}]
            for i, text in enumerate(texts)
        ]
    }


def _backbone(task: Task) -> dict[str, Any]:
    """A tiny one with weights from a seed."""
    spec = spec_of(task)
    if spec.is_image:
        settings = {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]}
        return {"random_init": {"architecture": "resnet", "settings": settings}, "stem": "3x3"}
    made = LLAMA if spec.is_causal else LLAMA | {"architecture": "bert"}
    return {"random_init": made, "tokenizer": "byte", "max_length": 96 if spec.has_prompt else 48}


def table(columns: dict[str, list[Any]], draw: random.Random | None = None) -> pa.Table:
    """The columns in the first of their types, or in any where `draw` says."""
    made = {}
    for name, values in columns.items():
        kind = TYPES[name][0] if draw is None else draw.choice(TYPES[name])
        made[name] = pa.array([{"bytes": one, "path": None} for one in values] if pa.types.is_struct(kind) else values, kind)
    return pa.table(made)


def seed(task: Task, draw: random.Random) -> bytes:
    """A shard whose rows a gate admits, in a form of Parquet that is drawn."""
    content = table(rows(task, draw.randint(8, 30), 1_000 + draw.randrange(1_000_000)), draw)
    uses_dictionary = draw.random() < 0.5
    encodings = {}
    for field in content.schema if not uses_dictionary else ():
        encodings[field.name] = draw.choice(ENCODINGS.get(field.type, ("PLAIN",)))
    nested = [name for name in encodings if pa.types.is_nested(content.schema.field(name).type)]
    file = io.BytesIO()
    pq.write_table(
        content,
        file,
        compression=draw.choice(COMPRESSIONS),
        use_dictionary=uses_dictionary,
        column_encoding={name: one for name, one in encodings.items() if name not in nested} or None,
        data_page_version=draw.choice(("1.0", "2.0")),
        version=draw.choice(("1.0", "2.4", "2.6")),
        row_group_size=draw.choice((4, 11, 64)),
        data_page_size=draw.choice((64, 1024, 1 << 20)),
        write_statistics=draw.random() < 0.7,
        write_page_index=draw.random() < 0.3,
        write_page_checksum=draw.random() < 0.3,
        store_schema=draw.random() < 0.7,
    )
    return file.getvalue()


def lay_out(folder: Path, task: Task) -> None:
    """Target and one honest contributor of a task below `folder`."""
    for name, n, start in (("target", N_TARGET, 0), (f"source/contributor={HONEST}", N_HONEST, 500)):
        (folder / name).mkdir(parents=True)
        content = rows(task, n, start) | ({"origin": ["real"] * n} if name == "target" else {})
        pq.write_table(table(content), folder / name / "part-0.parquet")


def config_of(folder: Path, task: Task) -> ValuationConfig:
    """The configuration of that world, with results in `out`."""
    columns = {"messages": "messages"} if spec_of(task).has_prompt else {}
    return parse_config(
        {
            "task": task,
            "source": {
                "contributors": str(folder / "source"),
                "target": str(folder / "target"),
                "origin": "column",
                "columns": columns,
            },
            "output": str(folder / "out"),
            "backbone": _backbone(task),
            "gate": {"min_rows": 4, "min_rows_per_part": 2, "data_docs": False},
            "ntk": {"method": "sketched", "sketch_features": 32},
            "value": {"replicates": 4},
            "runtime": {"threads_per_worker": 1},
        }
    )


def _image(number: int, label: int) -> bytes:
    draw = np.random.default_rng([number, label])
    file = io.BytesIO()
    pixels = draw.integers(0, 60, (SIDE, SIDE, 3)) + 40 * label
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG" if number % 3 == 0 else "PNG")
    return file.getvalue()
