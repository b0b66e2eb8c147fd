"""A batch of rows on its way through a run: contract columns, and where they stood."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class RowBatch:
    """Consecutive rows of one shard."""

    table: pa.Table
    """Contract columns, `origin` (string), and `id` where the data has one."""
    shard_index: int
    """Position of the shard in the sorted listing."""
    row_offset: int
    """Row number, within the shard, of the batch's first row."""
