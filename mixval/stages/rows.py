"""Rows of a contributor for a worker: admitted, sampled by content, in canonical order, in batches."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from mixval.config.sample import SampleConfig
from mixval.contracts.parts import REAL
from mixval.contracts.plan import ShardRef
from mixval.errors import ContractError
from mixval.progress import rows_passed
from mixval.stages.jobs import MeasureJob
from mixval.storage.sample import draw_rows, keyed_rows
from mixval.storage.shards import stream_rows

Piece = TypeVar("Piece", pa.Table, dict[str, Any])


def sampled_rows(job: MeasureJob, sample: SampleConfig) -> pa.Table:
    """The contributor's sample: contract columns and `key` (uint64), sorted by key. A smaller sample is nested."""
    batches = stream_rows(job.contributor.shards, job.source, job.task, classes=job.target_classes)
    return draw_rows(
        batches,
        job.task,
        count=sample.count,
        fraction=sample.fraction,
        n_real=job.n_real,
        n_synthetic=job.n_synthetic,
        bad_rows=bad_rows(job),
        seed=job.seed,
    )


def threshold_rows(job: MeasureJob, shard: ShardRef, dropped: list[int], share: float, part: tuple[int, int]) -> pa.Table:
    """Rows of one shard whose key is below `share` of all keys and leaves `part[0]` when divided by `part[1]`, with `key`.

    Which they are depends on the shard alone. Copies within a shard count each; copies in two shards are drawn together. With
    the rows' groups (`mixval/contracts/groups.py`).
    """
    batches = stream_rows([shard], job.source, job.task, classes=job.target_classes, groups=job.value.groups)
    return keyed_rows(batches, job.task, {(0, row) for row in dropped}, job.seed, share, part)


def first_rows(job: MeasureJob, count: int) -> pa.Table:
    """The contributor's first `count` rows as they lie, for probing; not a random sample."""
    batch = next(iter(stream_rows(job.contributor.shards, job.source, job.task, count, classes=job.target_classes)))
    return batch.table.slice(0, count)


def bad_rows(job: MeasureJob) -> set[tuple[int, int]]:
    """(shard index, row) of the rows that the gate dropped."""
    if job.bad_rows is None:
        return set()
    table = job.store.read_table(job.bad_rows, "bad_rows")
    return set(zip(table["shard_index"].to_pylist(), table["row"].to_pylist(), strict=True))


def real_rows(rows: pa.Table) -> np.ndarray:
    """(N,) uint8: 1 where a row is real, 0 where it is synthetic."""
    return np.array([origin == REAL for origin in rows["origin"].to_pylist()], dtype=np.uint8)


def class_indices(job: MeasureJob, labels: np.ndarray) -> np.ndarray:
    """(N,) int64: places of labels (N,) among the target's classes. Raises ContractError for a label that T lacks."""
    classes = np.array(job.classes, dtype=np.int64)
    found = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    if strange := sorted({int(label) for label in labels[classes[found] != labels]}):
        raise ContractError(
            f"contributor {job.contributor.name!r}: expected labels that the target set has, found {strange[:5]}. Leave those "
            "rows out."
        )
    return np.asarray(found, dtype=np.int64)


def counted(name: str, batches: Iterable[Piece]) -> Iterator[Piece]:
    """The same batches, tables or tensors by name; the rows of each count as passed when the next one is asked for."""
    for batch in batches:
        yield batch
        rows_passed(name, batch.num_rows if isinstance(batch, pa.Table) else len(next(iter(batch.values()))))


def in_batches(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    """The table in consecutive pieces of at most `size` rows."""
    for start in range(0, rows.num_rows, size):
        yield rows.slice(start, size)
