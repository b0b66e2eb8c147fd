"""Rows, shards and targets that the gate's tests are made of."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mixval.config.gate import GateConfig
from mixval.contracts.batches import RowBatch
from mixval.contracts.plan import ShardRef
from mixval.gate.check import GateCheck, check_contributor
from mixval.gate.profile import TargetProfile, profile_target

N_ROWS = 60


def as_batches(table: pa.Table, size: int | None = None, shard_index: int = 0) -> list[RowBatch]:
    """The table cut into batches of `size` rows."""
    step = size or max(1, table.num_rows)
    return [RowBatch(table.slice(at, step), shard_index, at) for at in range(0, max(1, table.num_rows), step)]


def as_shard(name: str = "part-0.parquet", n_rows: int = 0, problem: str | None = None) -> ShardRef:
    """A shard as the plan lists it."""
    return ShardRef(url=f"file:///data/{name}", name=name, size_bytes=1, digest="d", n_rows=n_rows, problem=problem)


@pytest.fixture
def batches() -> Callable[..., list[RowBatch]]:
    return as_batches


@pytest.fixture
def shard() -> Callable[..., ShardRef]:
    return as_shard


@pytest.fixture(scope="session")
def text_rows() -> Callable[..., pa.Table]:
    """Text classification rows: three labels in turn, every other row synthetic; columns may be overridden by position."""

    def make(n: int = N_ROWS, tag: str = "c", **changes: dict[int, Any]) -> pa.Table:
        data: dict[str, list[Any]] = {
            "text": [f"{tag} says {i}" for i in range(n)],
            "label": [i % 3 for i in range(n)],
            "origin": ["real" if i % 2 == 0 else "synthetic" for i in range(n)],
        }
        for column, at in changes.items():
            for row, value in at.items():
                data[column][row] = value
        kinds = {"text": pa.string(), "label": pa.int64(), "origin": pa.string()}
        return pa.table({name: pa.array(values, kinds[name]) for name, values in data.items()})

    return make


@pytest.fixture(scope="session")
def target(text_rows: Callable[..., pa.Table]) -> TargetProfile:
    """The profile of thirty real rows with the labels 0, 1 and 2, which nobody changes."""
    rows = text_rows(30, tag="t")
    real = rows.set_column(2, "origin", pa.array(["real"] * 30))
    profile = profile_target(as_batches(real), "text-classification")
    profile.digests.setflags(write=False)
    return profile


@pytest.fixture
def check(target: TargetProfile) -> Callable[..., GateCheck]:
    """`check_contributor` for text classification, on one table in one shard unless told otherwise."""

    def run(
        table: pa.Table | None,
        limits: GateConfig | None = None,
        name: str = "news",
        size: int | None = None,
        shards: Sequence[ShardRef] | None = None,
        **options: Any,
    ) -> GateCheck:
        listing = [as_shard(n_rows=table.num_rows if table else 0)] if shards is None else list(shards)
        rows = [] if table is None else as_batches(table, size)
        options = {"task": "text-classification", "target": target} | options
        return check_contributor(name, listing, rows, limits=limits or GateConfig(), **options)

    return run


@pytest.fixture
def png() -> Callable[..., bytes]:
    """A PNG of random pixels; the seed tells images apart. `turned`: on its side, with the orientation that says so."""

    def make(seed: int = 0, side: int = 16, kind: str = "PNG", turned: bool = False) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
        file, exif = io.BytesIO(), Image.Exif()
        if turned:
            pixels, exif[0x0112] = np.rot90(pixels), 6
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, exif=exif)
        return file.getvalue()

    return make
