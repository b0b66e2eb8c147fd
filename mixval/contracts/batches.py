"""A batch of rows: contract columns, and their place in the shard."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from mixval.contracts.class_names import ClassNames

MERGED_BYTES = 64 * 2**20
"""Bytes at which a merged batch is full, whatever its rows."""


@dataclass(frozen=True)
class RowBatch:
    """Consecutive rows of one shard."""

    table: pa.Table
    """Contract columns, `origin` (string), and `id` where the data has one."""
    shard_index: int
    """Position of the shard in the sorted listing."""
    row_offset: int
    """Row number, within the shard, of the batch's first row."""
    class_names: ClassNames = ()
    """What the shard calls its labels. Empty where it does not say."""
    names_unsaid: bool = False
    """Whether its labels are integers whose names only the shard or only the target says, so that none can be compared."""
    origin_denied: bool = False
    """Whether the data's own origin column says otherwise than the origin that a configuration gives all rows."""


def merged(batches: Iterable[RowBatch], n_rows: int) -> Iterator[RowBatch]:
    """The same rows in batches of up to `n_rows`, joined over row groups but never over shards.

    For readers with a cost for each batch, which small row groups would multiply.
    """
    held: list[RowBatch] = []
    for batch in batches:
        if held and not _fits(held, batch, n_rows):
            yield _joined(held)
            held = []
        held.append(batch)
    if held:
        yield _joined(held)


def _fits(held: list[RowBatch], batch: RowBatch, n_rows: int) -> bool:
    tables = [one.table for one in (*held, batch)]
    is_next = batch.row_offset == held[-1].row_offset + held[-1].table.num_rows
    same = batch.shard_index == held[0].shard_index and batch.table.schema.equals(held[0].table.schema)
    within = sum(table.num_rows for table in tables) <= n_rows and sum(table.nbytes for table in tables) <= MERGED_BYTES
    return is_next and same and within


def _joined(held: list[RowBatch]) -> RowBatch:
    return replace(
        held[0],
        table=pa.concat_tables([one.table for one in held]),
        names_unsaid=any(one.names_unsaid for one in held),
        origin_denied=any(one.origin_denied for one in held),
    )
