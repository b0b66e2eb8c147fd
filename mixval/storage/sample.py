"""A seeded sample of rows that depends on their content, not on their position.

Every row has a uniform 64-bit key made from its content (`contracts/digests.py`); the sample of k rows of a part is the k
with the smallest keys (bottom-k). So it is the same for any shard split, row order and batch size, and nested: a smaller
sample is the first rows, part by part, of a larger one.

Letters: n rows, n_real and n_synthetic of them by part, k of them drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.config.tasks import Task, spec_of
from mixval.contracts.batches import RowBatch
from mixval.contracts.digests import input_digest, row_identity, sampling_keys
from mixval.contracts.parts import PARTS
from mixval.errors import ContractError

MIN_ROWS_PER_PART = 2
"""Rows that a part which has them always gives: MMD without bias needs two."""
_SLACK_ROWS = 128


def part_counts(n_real: int, n_synthetic: int, count: int | None = None, fraction: float | None = None) -> tuple[int, int]:
    """Rows to draw from (real, synthetic).

    `count`: in proportion to the parts, by largest remainder, real first in a tie. `fraction`: that share of each part,
    rounded half up. Neither: all. A part that has rows gives at least min(2, its rows), even where that exceeds `count`.
    Growing `count` or `fraction` never shrinks a part.
    """
    n = n_real + n_synthetic
    least_real, least_synthetic = min(MIN_ROWS_PER_PART, n_real), min(MIN_ROWS_PER_PART, n_synthetic)
    if fraction is not None:
        shares = (int(np.floor(fraction * part + 0.5)) for part in (n_real, n_synthetic))
        real, synthetic = shares
        return min(max(real, least_real), n_real), min(max(synthetic, least_synthetic), n_synthetic)
    if count is None or count >= n:
        return n_real, n_synthetic
    real = (2 * count * n_real + n) // (2 * n)
    real = max(min(real, count - least_synthetic), least_real)
    return real, max(count - real, least_synthetic)


def draw_rows(
    batches: Iterable[RowBatch],
    task: Task,
    *,
    count: int | None = None,
    fraction: float | None = None,
    n_real: int,
    n_synthetic: int,
    bad_rows: set[tuple[int, int]] | None = None,
    seed: int,
) -> pa.Table:
    """The drawn rows in contract columns, `origin`, `id` where there is one, and `key` (uint64), sorted by `key`.

    `n_real` and `n_synthetic` count the rows that may be drawn, after `bad_rows` (shard index, row within the shard) are left
    out. Holds at most about twice the drawn rows, and some 100 bytes a row passed to count repeats. Raises
    `ContractError` when the rows passed are not those counted, have another origin than real or synthetic, or change type.
    """
    wanted = part_counts(n_real, n_synthetic, count, fraction)
    parts = {origin: _Part(limit) for origin, limit in zip(PARTS, wanted, strict=True)}
    met: Counter[bytes] = Counter()
    schema: pa.Schema | None = None
    for batch in batches:
        rows = _admitted(batch, bad_rows or set())
        schema = _same_schema(schema, rows, batch)
        keys = sampling_keys(row_identities(rows, task), met, seed)
        for origin, at in _rows_by_origin(rows, batch).items():
            parts[origin].offer(rows, keys, at)
    seen = tuple(parts[origin].n_seen for origin in PARTS)
    if schema is None or sum(seen) == 0 or seen != (n_real, n_synthetic):
        raise ContractError(
            f"expected {n_real} real and {n_synthetic} synthetic rows to draw from, found {seen[0]} and {seen[1]}. The data "
            "changed while it was read, or other rows were counted: run again."
        )
    drawn = _in_order([table for part in parts.values() for table in part.kept()])
    return drawn.select([name for name in drawn.column_names if name != "key"] + ["key"])


def keyed_rows(
    batches: Iterable[RowBatch],
    task: Task,
    bad_rows: set[tuple[int, int]],
    seed: int,
    share: float,
    part: tuple[int, int] = (0, 1),
) -> pa.Table:
    """Admitted rows whose key is below `share` (0 to 1) of all keys and leaves `part[0]` when divided by `part[1]`.

    In contract columns with `key` (uint64), in the order in which they come. A row's own content decides, so the rows of a
    union are those of its sets; a smaller share is nested in a larger one. Raises `ContractError` as `draw_rows` does.
    """
    met: Counter[bytes] = Counter()
    tables: list[pa.Table] = []
    schema: pa.Schema | None = None
    highest = int(share * 2.0**64)
    for batch in batches:
        rows = _admitted(batch, bad_rows)
        schema = _same_schema(schema, rows, batch)
        keys = sampling_keys(row_identities(rows, task), met, seed)
        _rows_by_origin(rows, batch)
        drawn = np.array([key < highest for key in keys.tolist()], dtype=np.bool_) & (keys % np.uint64(part[1]) == part[0])
        tables.append(rows.filter(pa.array(drawn)).append_column("key", pa.array(keys[drawn], pa.uint64())))
    if not tables:
        raise ContractError("expected rows to draw from, found none. Leave empty shards out.")
    return pa.concat_tables([table for table in tables if table.num_rows] or tables[:1], promote_options="default")


def row_identities(rows: pa.Table, task: Task) -> list[bytes]:
    """16-byte digest of each row's inputs, label and origin."""
    inputs = zip(*(_values(rows[name]) for name in spec_of(task).inputs), strict=True)
    labels = rows["label"].to_pylist() if "label" in rows.column_names else [None] * rows.num_rows
    origins = rows["origin"].to_pylist()
    return [row_identity(input_digest(row), label, origin) for row, label, origin in zip(inputs, labels, origins, strict=True)]


class _Part:
    """The rows of one part with the smallest keys so far."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.n_seen = 0
        self._tables: list[pa.Table] = []
        self._n_held = 0
        self._bound: np.uint64 | None = None

    def offer(self, rows: pa.Table, keys: np.ndarray, at: np.ndarray) -> None:
        """Takes those of the rows `at` these places that may still be among the smallest."""
        self.n_seen += len(at)
        if self._bound is not None:
            at = at[keys[at] < self._bound]
        if len(at) == 0 or self.limit == 0:
            return
        self._tables.append(rows.take(at).append_column("key", pa.array(keys[at], pa.uint64())))
        self._n_held += len(at)
        if self._n_held > self.limit + max(self.limit, _SLACK_ROWS):
            self._shrink()

    def kept(self) -> list[pa.Table]:
        """The rows drawn, at most `limit`."""
        if self._n_held > self.limit:
            self._shrink()
        return self._tables

    def _shrink(self) -> None:
        held = _in_order(self._tables).slice(0, self.limit)
        # A take copies, so that the rows left behind are freed.
        self._tables, self._n_held = [held.take(np.arange(held.num_rows))], held.num_rows
        self._bound = np.uint64(held["key"][held.num_rows - 1].as_py())


def _in_order(tables: list[pa.Table]) -> pa.Table:
    whole = pa.concat_tables(tables, promote_options="default")
    return whole.take(np.argsort(whole["key"].to_numpy(), kind="stable"))


def _admitted(batch: RowBatch, bad_rows: set[tuple[int, int]]) -> pa.Table:
    if not bad_rows:
        return batch.table
    numbers = range(batch.row_offset, batch.row_offset + batch.table.num_rows)
    good = [at for at, number in enumerate(numbers) if (batch.shard_index, number) not in bad_rows]
    return batch.table if len(good) == batch.table.num_rows else batch.table.take(pa.array(good, pa.int64()))


def _rows_by_origin(rows: pa.Table, batch: RowBatch) -> dict[str, np.ndarray]:
    origins = np.array(rows["origin"].to_pylist(), dtype=object)
    found = {origin: np.flatnonzero(origins == origin) for origin in PARTS}
    if sum(len(at) for at in found.values()) != len(origins):
        other = next(origin for origin in origins if origin not in PARTS)
        raise ContractError(
            f"shard {batch.shard_index}: column 'origin' must be real or synthetic, found {other!r}. Pass such rows in "
            "`bad_rows`, or correct the data."
        )
    return found


def _same_schema(before: pa.Schema | None, rows: pa.Table, batch: RowBatch) -> pa.Schema | None:
    now = rows.schema
    if rows.num_rows == 0:  # a shard in which nothing may be drawn has types of its own, such as null
        return before
    if before is None:
        return now
    for field in now:
        at = before.get_field_index(field.name)
        if at >= 0 and before.field(at).type != field.type:
            raise ContractError(
                f"shard {batch.shard_index}: column '{field.name}' must be {before.field(at).type} as in the shards before, "
                f"found {field.type}. Convert one, so that a contributor's shards agree."
            )
    return before


def _values(column: pa.ChunkedArray) -> list[Any]:
    if not isinstance(column.type, pa.FixedShapeTensorType):
        return list(column.to_pylist())
    rows: list[Any] = []
    for chunk in column.chunks:
        if chunk.null_count == 0:
            rows.extend(chunk.to_numpy_ndarray())
        else:
            rows.extend(value.to_numpy() if value.is_valid else None for value in chunk)
    return rows
