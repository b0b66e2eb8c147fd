"""Tiny planted worlds: a target set, contributors at known distances from it, and a backbone that takes milliseconds.

In every world `near` has most rows, all real and drawn like T; `mixed` has fewer, half of them synthetic and far away;
`far` is few, synthetic, and nothing like T. So the planted order is near, mixed, far.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from mixval.config.load import parse_config
from mixval.config.tasks import Task
from mixval.config.valuation import ValuationConfig, merge
from mixval.contracts.record import ArtifactRef

PLANTED = ("near", "mixed", "far")
SIDE = 12
Rows = list[dict[str, Any]]

LLAMA = {
    "architecture": "llama",
    "settings": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32},
}
BERT = LLAMA | {"architecture": "bert"}
RESNET = {"architecture": "resnet", "settings": {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]}}
BACKBONES: dict[Task, dict[str, Any]] = {
    "image-classification": {"random_init": RESNET, "stem": "3x3"},
    "text-classification": {"random_init": BERT, "tokenizer": "byte", "max_length": 48},
    "instruction": {"random_init": LLAMA, "tokenizer": "byte", "max_length": 96},
    "language-modelling": {"random_init": LLAMA, "tokenizer": "byte", "max_length": 48},
}
COLUMNS: dict[Task, dict[str, pa.DataType]] = {
    "image-classification": {"image": pa.binary(), "label": pa.int64()},
    "text-classification": {"text": pa.string(), "label": pa.int64()},
    "instruction": {"prompt": pa.string(), "response": pa.string()},
    "language-modelling": {"text": pa.string()},
}
NEAR_WORDS = ["river", "stone", "meadow", "willow", "heron", "water", "reed", "bank", "otter", "moss"]
FAR_WORDS = ["ZX-9041", "%%QQ", "7731#", "KVÄÖ", "@@12", "ØÞß", "{{0xFF}}", "~~88", "JJWW", "$$5"]


def image(seed: int, label: int, is_near: bool) -> bytes:
    """A PNG: near images are dark with a bright quarter that tells the class, far ones bright noise."""
    random = np.random.default_rng([seed, label, is_near])
    pixels = random.integers(0, 40, (SIDE, SIDE, 3)) if is_near else random.integers(120, 256, (SIDE, SIDE, 3))
    if is_near:
        half = SIDE // 2
        top, left = divmod(label % 4, 2)
        pixels[top * half : (top + 1) * half, left * half : (left + 1) * half] += 150
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def sentence(seed: int, is_near: bool, n_words: int = 5) -> str:
    """Words of one vocabulary or the other, and a number that tells rows apart."""
    random = np.random.default_rng([seed, is_near])
    words = NEAR_WORDS if is_near else FAR_WORDS
    return " ".join([*random.choice(words, n_words), str(seed)])


def row(task: Task, seed: int, is_near: bool = True, origin: str = "real") -> dict[str, Any]:
    """One row under the task's contract; different seeds give different rows."""
    label = seed % 4
    content: dict[str, Any] = {"label": label, "text": sentence(seed, is_near)}
    if task == "image-classification":
        content["image"] = image(seed, label, is_near)
    content |= {"prompt": f"Say {sentence(seed, is_near, 2)}", "response": sentence(seed + 1, is_near, 3)}
    return {name: content[name] for name in COLUMNS[task]} | {"origin": origin}


def rows(task: Task, n: int, start: int, is_near: bool = True, origin: str = "real") -> Rows:
    """`n` rows with consecutive seeds."""
    return [row(task, start + i, is_near, origin) for i in range(n)]


@dataclass
class World:
    """A source of contributors and a target on disk, with the configuration that values it."""

    root: Path
    task: Task
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        """Folder of the contributors."""
        return self.root / "source"

    @property
    def output(self) -> Path:
        """Output root."""
        return self.root / "out"

    def schema(self, **changes: pa.DataType) -> pa.Schema:
        """The contract's columns, some of them with another type."""
        return pa.schema(list((COLUMNS[self.task] | {"origin": pa.string()} | changes).items()))

    def contribute(self, name: str, content: Rows, shard: str = "part-0.parquet", folder: str | None = None) -> Path:
        """Write one shard of a contributor."""
        return self.shard(name, pa.Table.from_pylist(content, schema=self.schema()), shard, folder)

    def shard(self, name: str, table: pa.Table, shard: str = "part-0.parquet", folder: str | None = None) -> Path:
        """Write any table as a shard of a contributor."""
        path = self.source / (folder or f"contributor={name}") / shard
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
        return path

    def hold_out(self, content: Rows) -> Path:
        """Write the target set."""
        path = self.root / "target" / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(content, schema=self.schema()), path)
        return path

    def obstruct(self, ref: ArtifactRef) -> Path:
        """Put a file where an artifact's folder would be, so that it cannot be committed. Returns the file."""
        file = self.output / "artifacts" / ref.kind / ref.fingerprint[:2] / ref.fingerprint
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("not a folder")
        return file

    def as_dict(self, **changes: Any) -> dict[str, Any]:
        """The configuration as a file would hold it."""
        base = {
            "task": self.task,
            "source": {"contributors": str(self.source), "target": str(self.root / "target")},
            "output": str(self.output),
            "backbone": BACKBONES[self.task],
            "gate": {"min_rows": 8, "data_docs": False},
            "ntk": {"method": "exact", "sample": {"count": 24}},
            "value": {"method": "eq8", "replicates": 40},
            "runtime": {"workers": 2},
        }
        return merge(merge(base, self.settings), changes)

    def config(self, **changes: Any) -> ValuationConfig:
        """The checked configuration."""
        return parse_config(self.as_dict(**changes))


def planted(root: Path, task: Task, **settings: Any) -> World:
    """The world with `near`, `mixed` and `far`."""
    world = World(root, task, settings)
    world.hold_out(rows(task, 40, start=0))
    world.contribute("near", rows(task, 60, start=1_000))
    world.contribute("mixed", rows(task, 18, start=2_000) + rows(task, 18, start=3_000, is_near=False, origin="synthetic"))
    world.contribute("far", rows(task, 12, start=4_000, is_near=False, origin="synthetic"))
    return world


MakeWorld = Callable[..., World]
