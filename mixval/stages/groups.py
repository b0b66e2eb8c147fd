"""Values of groups of rows by the columns in `value.groups`, of each ranked contributor and of all of them together.

The groups of a column that are told apart are those with the most rows over all ranked contributors, `value.most_groups` at
most; the rows of the others count together. In memory are A of each of them, of one contributor or of all together.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from mixval.contracts.record import ArtifactRef
from mixval.stages.group_counts import COUNTS, counts_ref, counts_step, group_piece_steps, largest
from mixval.stages.group_pieces import Group, piece_sums
from mixval.stages.jobs import MeasureJob
from mixval.stages.regression_coalitions import regression_target
from mixval.stages.statistics import group_refs
from mixval.stages.steps import Step, one_call
from mixval.stages.weighed import RankedJobs, each_and_all, mixed_parts, points
from mixval.terms.ntk.row_sums import RowSums
from mixval.valuation.estimates import Floats
from mixval.valuation.mixtures import MixedPart, Mixtures

VERSION = 1
"""Raised whenever the numbers change."""
LEAST_LOOKED_AT = 16
"""Rows of each group whose effects are taken, if it has as many."""
OTHERS, NAMED = "others", "named:"
NAMES = pa.schema(
    [
        ("contributor", pa.string()),
        ("column", pa.string()),
        ("group", pa.string()),
        ("is_others", pa.bool_()),
        ("n", pa.int64()),
    ]
)
"""A row a contributor, column and group: the measured rows."""


class GroupedJobs(RankedJobs):
    """Contributors whose rows are valued by the groups of a column."""

    column: str
    named: list[Group]
    """The groups that are told apart."""


def key_of(group: Group, named: Sequence[Group]) -> str:
    """The name of a group's part: its own, or that of the others together."""
    if group not in named:
        return OTHERS
    return NAMED if group is None else NAMED + "=" + group


def names_step(jobs: Sequence[MeasureJob], target: MeasureJob) -> Step:
    """The step that says which groups of these ranked contributors are told apart."""
    ref = names_ref(jobs, target)
    reads = [counts_step(job, target) for job in jobs]
    return one_call("groups", target.store, ref, commit_names, RankedJobs(jobs=list(jobs), target=target), reads=lambda: reads)


def names_ref(jobs: Sequence[MeasureJob], target: MeasureJob) -> ArtifactRef:
    """Where they are, or will be, committed."""
    counts = [[job.contributor.name, counts_ref(job, target).fingerprint] for job in jobs]
    return target.store.ref("group-names", VERSION, counts=counts, most=target.value.most_groups)


def commit_names(work: RankedJobs) -> ArtifactRef:
    """Commit a row a contributor, column and group, schema `NAMES`; rows of the others under one name for each contributor."""
    ref, store, target = names_ref(work.jobs, work.target), work.target.store, work.target
    if store.committed(ref) is not None:
        return ref
    by_job = {job.contributor.name: store.read_table(counts_ref(job, target), schema=COUNTS).to_pylist() for job in work.jobs}
    rows = list[dict[str, object]]()
    for column in target.value.groups:
        total = Counter[Group]()
        for counted in by_job.values():
            total.update({row["group"]: row["n"] for row in counted if row["column"] == column})
        named = [group for group, _ in largest(total, target.value.most_groups)]
        for name, counted in by_job.items():
            own = {row["group"]: row["n"] for row in counted if row["column"] == column}
            who = {"contributor": name, "column": column}
            rows += [who | {"group": one, "is_others": False, "n": own[one]} for one in named if one in own]
            if others := sum(n for group, n in own.items() if group not in named):
                rows.append(who | {"group": None, "is_others": True, "n": others})
    table = pa.Table.from_pylist(rows, schema=NAMES)
    return store.commit(ref, inputs={"most": target.value.most_groups}, tables={"data": table})


def read_names(jobs: Mapping[str, MeasureJob], target: MeasureJob) -> list[dict[str, Any]]:
    """The committed groups of these ranked contributors, a row of `NAMES` each."""
    rows: list[dict[str, Any]] = target.store.read_table(names_ref(list(jobs.values()), target), schema=NAMES).to_pylist()
    return rows


def grouped_jobs(jobs: Mapping[str, MeasureJob], target: MeasureJob) -> list[GroupedJobs]:
    """What is valued of these ranked contributors, by name: by column, each one with several groups, then all together."""
    found, rows = list[GroupedJobs](), read_names(jobs, target)
    for column in target.value.groups:
        own = [row for row in rows if row["column"] == column]
        named = list(dict.fromkeys(row["group"] for row in own if not row["is_others"]))
        for work in each_and_all(jobs, target):
            held = {(row["group"], row["is_others"]) for row in own if work.contributor in (None, row["contributor"])}
            if len(held) > 1:
                found.append(GroupedJobs(jobs=work.jobs, target=target, column=column, named=named))
    return found


def group_step(work: GroupedJobs) -> Step:
    """The step that makes its artifact."""

    def reads() -> list[Step]:
        return [*work.reads(), *(step for job in work.jobs for step in group_piece_steps(job, work.target))]

    label = f"groups {work.contributor or 'of all together'}"
    return one_call(label, work.target.store, group_ref(work), commit_group, work, reads=reads)


def group_ref(work: GroupedJobs) -> ArtifactRef:
    """Where it is, or will be, committed."""
    return work.target.store.ref("group-values", VERSION, **_inputs(work))


def _inputs(work: GroupedJobs) -> dict[str, object]:
    return work.inputs() | {"column": work.column, "named": work.named}


def commit_group(work: GroupedJobs) -> ArtifactRef:
    """Commit the points (`weighed.points`) of all rows, then of each group alone, then of the rows without it; groups stand in
    the order of their keys.
    """
    ref, store = group_ref(work), work.target.store
    if store.committed(ref) is not None:
        return ref
    started, mixtures = time.perf_counter(), _mixtures(work)
    keys = sorted(mixtures.parts)
    alone = [{other: 0.0 for other in keys if other != one} for one in keys]
    tensors = points(mixtures, [{}, *alone, *({one: 0.0} for one in keys)], work.target.value.replicates)
    return store.commit(ref, inputs=_inputs(work), tensors=tensors, seconds=time.perf_counter() - started)


def _mixtures(work: GroupedJobs) -> Mixtures:
    side, parts, rows = regression_target(work.target), dict[str, MixedPart](), list[Floats]()
    for job in work.jobs:
        sums = dict[str, RowSums]()
        for ref in group_refs(job, work.target):
            for group, one in piece_sums(job, ref, work.column).items():
                key = key_of(group, work.named)
                sums[key] = sums[key] + one if key in sums else one
        n = sum(one.n for one in sums.values())
        weights = dict.fromkeys(sums, 1.0 if work.is_alone else (job.n_real + job.n_synthetic) / n)
        for key, part in mixed_parts(job, sums, weights, side.objective, work.looked_at, LEAST_LOOKED_AT).items():
            parts[key] = parts[key] + part if key in parts else part
        rows += [one.kept.features for one in sums.values()] if work.is_alone else []
    return Mixtures(parts, side).narrowed(rows)
