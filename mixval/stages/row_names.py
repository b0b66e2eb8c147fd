"""Both names of a batch's rows: by which they are drawn and kept, and by which a table's rows are known again.

They differ since a row is drawn by its bytes and its origin, and known by what they say: the same pixels in another encoding
are the same row, and so is a real row that is said to be synthetic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from mixval.contracts.digests import sampling_keys
from mixval.errors import ChangedFileError
from mixval.stages.jobs import MeasureJob
from mixval.stages.rows import bad_rows
from mixval.storage.sample import row_identities
from mixval.storage.shards import stream_rows
from mixval.terms.replicates import Keys
from mixval.valuation.held_rows import row_keys


def row_names(job: MeasureJob, digests: np.ndarray) -> dict[str, np.ndarray]:
    """`content` and `drawn` (N,) uint64 of the admitted rows, ascending by `drawn`; `digests` (N, 16) are the gate's of them.

    Raises ChangedFileError where the rows are not those that the gate read.
    """
    left_out, drawn, labels = bad_rows(job), [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for place, shard in enumerate(job.contributor.shards):
        met: Counter[bytes] = Counter()  # copies are counted by shard, as where rows are drawn
        for batch in stream_rows([shard], job.source, job.task, classes=job.target_classes):
            numbers = range(batch.row_offset, batch.row_offset + batch.table.num_rows)
            good = [at for at, row in enumerate(numbers) if (place, row) not in left_out]
            rows = batch.table.take(good)
            drawn.append(sampling_keys(row_identities(rows, job.task), met, job.seed))
            labels += [] if job.classes is None else [np.asarray(rows["label"].to_numpy(), dtype=np.int64)]
    names = np.concatenate(drawn)
    if len(names) != len(digests):
        raise ChangedFileError(
            f"contributor {job.contributor.name!r}: expected the {len(digests):,} rows that the gate admitted, found "
            f"{len(names):,}. Leave the files alone meanwhile, and run again."
        )
    order = np.argsort(names, kind="stable")
    content = row_keys(digests, None if job.classes is None else np.concatenate(labels))
    return {"drawn": names[order], "content": content[order]}


def content_of(names: Mapping[str, np.ndarray], drawn: Keys) -> Keys:
    """(M,) content keys of the rows that were drawn by these keys (M,)."""
    places = np.searchsorted(names["drawn"], drawn)
    return np.asarray(names["content"][places], dtype=np.uint64)
