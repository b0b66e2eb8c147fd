"""How many rows of a contributor each group has, by the columns in `value.groups`, and the steps that make the groups' sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from mixval.contracts.record import ArtifactRef
from mixval.stages.group_pieces import Group, piece_counts
from mixval.stages.jobs import MeasureJob
from mixval.stages.statistics import Piece, batches, group_refs, make_statistics, pieces
from mixval.stages.steps import Step, Work, one_call

VERSION = 1
"""Raised whenever the numbers change."""
MOST_COUNTED = 10_000
"""Groups of a contributor and column that are counted, those with the most rows: no other one can be among the largest."""
COUNTS = pa.schema([("column", pa.string()), ("group", pa.string()), ("n", pa.int64())])


def counts_step(job: MeasureJob, target: MeasureJob, after: tuple[Step, ...] = ()) -> Step:
    """The step that makes a contributor's sums by group, piece by piece, and counts their rows."""

    def work() -> Work:
        light = job.model_copy(update={"contributor": job.contributor.without_shards()})
        return Work(commit_counts, (job, target), make_statistics, [(light, target, chosen) for chosen in batches(job)])

    label = f"groups {job.contributor.name}"
    return Step(label, job.store, counts_ref(job, target), work, after, lambda: group_piece_steps(job, target))


def counts_ref(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Where the counts are, or will be, committed."""
    return job.store.ref("group-counts", VERSION, pieces=[ref.fingerprint for ref in group_refs(job, target)])


def commit_counts(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Commit the rows of each group, over the contributor's pieces."""
    ref, refs = counts_ref(job, target), group_refs(job, target)
    if job.store.committed(ref) is not None:
        return ref
    found = {column: Counter[Group]() for column in job.value.groups}
    for piece in refs:
        for row in piece_counts(job, piece).to_pylist():
            found[row["column"]][row["group"]] += row["n"]
    rows = [
        {"column": column, "group": group, "n": n}
        for column, counts in found.items()
        for group, n in largest(counts, MOST_COUNTED)
    ]
    table = pa.Table.from_pylist(rows, schema=COUNTS)
    return job.store.commit(ref, inputs={"pieces": [one.fingerprint for one in refs]}, tables={"data": table})


def largest(counts: Mapping[Group, int], most: int) -> list[tuple[Group, int]]:
    """Those with the most rows first; of equally many by name."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0] is None, one[0] or ""))[:most]


def group_piece_steps(job: MeasureJob, target: MeasureJob) -> list[Step]:
    """A step for each piece's sums, for what a store has lost."""
    made = zip(pieces(job), group_refs(job, target), strict=True)
    return [one_call(f"groups {job.contributor.name}", job.store, ref, _made_again, job, target, piece) for piece, ref in made]


def _made_again(job: MeasureJob, target: MeasureJob, piece: Piece) -> ArtifactRef:
    return make_statistics(job, target, [piece])[0]
