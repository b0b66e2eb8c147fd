"""The rows of a delivery that enter a table: those that the gate admits, in the delivery's own columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from mixval.lake.table import RowSource
from mixval.stages.jobs import MeasureJob
from mixval.stages.rows import bad_rows
from mixval.storage.formats import open_shard

_BATCH_ROWS = 8_192


def admitted_rows(job: MeasureJob) -> RowSource:
    """Opens the admitted rows of a delivery's one file, from the first on, as often as it is called."""
    [shard] = job.contributor.shards
    options, dropped = job.source.storage, np.array(sorted(row for _, row in bad_rows(job)), dtype=np.int64)
    with open_shard(shard, options) as file:
        schema = file.schema

    def batches() -> Iterator[pa.RecordBatch]:
        at = 0
        with open_shard(shard, options) as file:
            for batch in file.batches(schema.names, _BATCH_ROWS):
                kept = np.setdiff1d(np.arange(batch.num_rows), dropped - at)
                at += batch.num_rows
                if len(kept):
                    yield batch if len(kept) == batch.num_rows else batch.take(pa.array(kept))

    return lambda: pa.RecordBatchReader.from_batches(schema, batches())
