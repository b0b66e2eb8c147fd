"""Sums of a piece's rows by the groups of each column in `value.groups`: stored beside its sufficient statistics, made in the
same pass.

Of a group with few rows their sketches are stored, of another one its sums: so that a piece takes as many bytes at most as the
sketches of its rows, whatever the groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from mixval.contracts.groups import OF_ROWS
from mixval.contracts.record import ArtifactRef
from mixval.stages.jobs import MeasureJob
from mixval.terms.ntk.row_sums import RowSums, below
from mixval.terms.sufficient_statistics import MeasuredRows

VERSION = 1
"""Raised whenever the numbers change."""
KIND = "piece-groups"
TABLE = "groups"
SCHEMA = pa.schema([("column", pa.string()), ("group", pa.string()), ("place", pa.int64()), ("n", pa.int64())])
"""A row a group: `place` is that of its tensors, `n` its measured rows."""
Group = str | None
"""What stands in the column; None for rows without it."""


def piece_groups_ref(job: MeasureJob, inputs: Mapping[str, object]) -> ArtifactRef | None:
    """Where the sums of a piece with these inputs are, or will be, committed; None where rows are not grouped."""
    if not job.value.groups:
        return None
    return job.store.ref(KIND, VERSION, **inputs, groups=job.value.groups)


def commit_piece_groups(
    job: MeasureJob,
    ref: ArtifactRef,
    inputs: Mapping[str, object],
    rows: pa.Table,
    measured: MeasuredRows | None,  # None: no rows
    most_kept: int,
) -> None:
    """Commit the sums by group of a piece's rows."""
    listed, tensors = list[dict[str, object]](), {"rows": np.array(rows.num_rows)}
    for place, column in enumerate(job.value.groups):
        for group, own in _split(rows[OF_ROWS(place)], measured) if measured is not None else ():
            # From q / 2 rows on sums are smaller than rows.
            sums = own.sums(max(most_kept, own.gradients.shape[1] // 2))
            tensors |= {f"{len(listed)}/{name}": array for name, array in sums.to_arrays().items()}
            listed.append({"column": column, "group": group, "place": len(listed), "n": sums.n})
    tables = {TABLE: pa.Table.from_pylist(listed, schema=SCHEMA)}
    job.store.commit(ref, inputs={**inputs, "groups": job.value.groups}, tensors=tensors, tables=tables)


def _split(names: pa.ChunkedArray, measured: MeasuredRows) -> Iterator[tuple[Group, MeasuredRows]]:
    coded = names.combine_chunks().dictionary_encode(null_encoding="encode")
    codes = coded.indices.to_numpy()
    for code, group in enumerate(coded.dictionary.to_pylist()):
        yield group, measured.take(codes == code)


def piece_counts(job: MeasureJob, ref: ArtifactRef) -> pa.Table:
    """The groups of a piece, schema `SCHEMA`."""
    return job.store.read_table(ref, TABLE, SCHEMA)


def piece_sums(job: MeasureJob, ref: ArtifactRef, column: str) -> dict[Group, RowSums]:
    """The sums of a piece by group of one column. Raises LostArtifactError where they are missing or damaged."""
    places = {row["place"]: row["group"] for row in piece_counts(job, ref).to_pylist() if row["column"] == column}
    arrays = job.store.read_tensors(ref) if places else {}
    return {group: RowSums.from_arrays(below(arrays, f"{place}/")) for place, group in places.items()}
