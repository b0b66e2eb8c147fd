"""Sufficient statistics of a contributor: one pass over its rows, shard by shard, into additive sums; no row is read again.

The statistics of a shard depend on that shard's rows alone, so adding a shard reads only that shard. Large shards are cut into
pieces by row key, each the work of one task. Rows are drawn by a threshold on their content keys: the same rows whatever
the other shards contain, unlike a sample of a fixed number of rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import pyarrow as pa

from mixval.config.base import FrozenModel
from mixval.config.fingerprint import fingerprint
from mixval.config.sample import SampleConfig
from mixval.contracts.parts import PARTS
from mixval.contracts.plan import ShardRef
from mixval.contracts.record import ArtifactRef
from mixval.stages.group_pieces import commit_piece_groups, piece_groups_ref
from mixval.stages.jobs import MeasureJob
from mixval.stages.kept import LastMade
from mixval.stages.measured import parts_with_rows
from mixval.stages.one_pass import measured_rows
from mixval.stages.rows import bad_rows, real_rows, threshold_rows
from mixval.stages.shared_sketch import read_shared_sketch, shared_sketch_ref
from mixval.stages.steps import Work
from mixval.telemetry.peak import peak_bytes
from mixval.terms.discrepancy.labelled import with_labels
from mixval.terms.discrepancy.random_features import FourierFeatures, fourier_features
from mixval.terms.sufficient_statistics import MeasuredRows, SmallStatistics, SufficientStatistics

VERSION = 6
"""Raised whenever the numbers change."""
PIECE_ROWS = 4096
"""Rows drawn from a shard above which it is cut. A piece's sketches are in memory at once: 32 MiB at q = 2,048."""
TASK_ROWS = 1024
"""Least rows drawn in a task, which costs a few milliseconds itself; small shards are measured several to a task."""
TASK_ROWS_READ = 65_536
"""Least rows read in a task, where few of them are drawn."""
LEAST_DRAWN = 64
"""Least rows of each part that halving the share may leave, where there are so many."""


class Piece(FrozenModel):
    """Some rows of one shard: those whose key leaves `part` when divided by `n_parts`."""

    shard: int
    """Place in the contributor's sorted listing."""
    ref: ShardRef
    part: int
    n_parts: int


_FOURIER = LastMade[FourierFeatures]()

PartStatistics = dict[str, SufficientStatistics]
"""By part; a part without rows is left out."""


def drawn_share(job: MeasureJob) -> float:
    """Share of the admitted rows that are read."""
    smallest = min((part for part in (job.n_real, job.n_synthetic) if part), default=0)
    return halved_share(job.sample, job.n_real + job.n_synthetic, smallest)


def halved_share(sample: SampleConfig, n: int, smallest: int) -> float:
    """The share of n rows that is configured, or halved until `count` is not exceeded; `smallest` is the smaller part's rows.

    By halves, since a share that changed with every added row would invalidate the statistics of every shard. No part is
    reduced below `LEAST_DRAWN` rows, so next to a small part more than `count` rows are read.
    """
    if sample.fraction is not None:
        return sample.fraction
    share = 1.0
    while sample.count is not None and n * share > sample.count and smallest * share / 2 >= LEAST_DRAWN:
        share /= 2
    return share


def pieces(job: MeasureJob) -> list[Piece]:
    """The contributor's pieces, shard by shard."""
    share = drawn_share(job)
    parts = [max(1, math.ceil(shard.n_rows * share / PIECE_ROWS)) for shard in job.contributor.shards]
    return [
        Piece(shard=place, ref=shard, part=part, n_parts=n)
        for place, (shard, n) in enumerate(zip(job.contributor.shards, parts, strict=True))
        for part in range(n)
        if shard.n_rows
    ]


def batches(job: MeasureJob) -> list[list[Piece]]:
    """The pieces as tasks: consecutive ones together until they are worth a task, by rows drawn or by rows read."""
    share, tasks, drawn, read = drawn_share(job), list[list[Piece]](), 0.0, 0
    for piece in pieces(job):
        if not tasks or drawn >= TASK_ROWS or read >= TASK_ROWS_READ:
            tasks.append([])
            drawn, read = 0.0, 0
        tasks[-1].append(piece)
        drawn += piece.ref.n_rows * share / piece.n_parts
        read += piece.ref.n_rows
    return tasks


def piece_refs(job: MeasureJob, target: MeasureJob) -> list[ArtifactRef]:
    """Where the pieces' sufficient statistics are, or will be, committed."""
    dropped, shared, store = _dropped(job), _shared(job, target), job.store
    return [store.ref("piece-statistics", VERSION, **_inputs(job, piece, dropped, shared)) for piece in pieces(job)]


def group_refs(job: MeasureJob, target: MeasureJob) -> list[ArtifactRef]:
    """Where the pieces' sums by group are, or will be, committed; none where rows are not grouped."""
    dropped, shared = _dropped(job), _shared(job, target)
    found = [piece_groups_ref(job, _inputs(job, piece, dropped, shared)) for piece in pieces(job)]
    return [ref for ref in found if ref is not None]


def make_statistics(job: MeasureJob, target: MeasureJob, chosen: Sequence[Piece]) -> list[ArtifactRef]:
    """Commit the sufficient statistics of these pieces, and their sums by group where rows are grouped, by one pass over the
    rows of each; those that are there are not made again.

    The job may come without its shards: pieces carry theirs.
    """
    dropped, shared = _dropped(job), _shared(job, target)
    return [_make_statistics(job, target, piece, dropped, shared) for piece in chosen]


def statistics_ref(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Where the contributor's statistics are, or will be, committed. Of a single piece they are the piece's."""
    return _merged_ref(job, piece_refs(job, target))


def merged_statistics(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Commit the sum of the pieces' sufficient statistics."""
    refs = piece_refs(job, target)
    ref = _merged_ref(job, refs)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    total = reduce(_added, (read_statistics(job, piece) for piece in refs))
    tensors = _as_arrays(total)
    numbers = _as_numbers(total)
    seconds = time.perf_counter() - started
    job.store.commit(
        ref, inputs={"pieces": [one.fingerprint for one in refs]}, tensors=tensors, numbers=numbers, seconds=seconds
    )
    return ref


def statistics_work(job: MeasureJob, target: MeasureJob) -> Work:
    """What commits the contributor's statistics: its pieces side by side, then their sum."""
    # A task carries the shards of its own pieces alone: with all thousand of a contributor it would weigh 160 KB.
    light = job.model_copy(update={"contributor": job.contributor.without_shards()})
    return Work(merged_statistics, (job, target), make_statistics, [(light, target, chosen) for chosen in batches(job)])


def read_statistics(job: MeasureJob, ref: ArtifactRef) -> PartStatistics:
    """Committed statistics, of a piece or of a contributor."""
    return {part: SufficientStatistics.from_arrays(named) for part, named in _stored(job, ref).items()}


def read_small_statistics(job: MeasureJob, ref: ArtifactRef) -> dict[str, SmallStatistics]:
    """What is small of committed statistics: no sum over gradients is made."""
    return {part: SmallStatistics.from_arrays(named) for part, named in _stored(job, ref).items()}


def _stored(job: MeasureJob, ref: ArtifactRef) -> dict[str, dict[str, np.ndarray]]:
    """Arrays by part; a part without rows is left out."""
    arrays = job.store.read_tensors(ref)
    held = {part: {k.removeprefix(f"{part}/"): a for k, a in arrays.items() if k.startswith(f"{part}/")} for part in PARTS}
    return {part: named for part, named in held.items() if named}


def rows_represented(job: MeasureJob, by_part: PartStatistics) -> dict[str, float]:
    """Part -> rows admitted for each that was measured."""
    return {part: job.rows_by_part[part] / one.n for part, one in by_part.items()}


def frequencies_of(target: MeasureJob, n_columns: int) -> FourierFeatures:
    """The feature map of the run's shared sketch for features of this many columns."""
    switches = target.discrepancy
    given = read_shared_sketch(target).bandwidths, n_columns, switches.frequencies, target.seed, switches.combine
    return _FOURIER.get(repr(given), lambda: fourier_features(*given))


def _shared(job: MeasureJob, target: MeasureJob) -> str:
    """One digest of all that a contributor's pieces have in common: the name of each of a million pieces stays short."""
    return fingerprint(
        "pieces",
        1,
        **job.model_key(),
        **job.source.naming_key(),
        columns=job.source.columns,
        origin=job.source.origin,
        task=job.task,
        seed=job.seed,
        share=drawn_share(job),
        shared=shared_sketch_ref(target).fingerprint,
        ntk=[job.ntk.output, job.ntk.residual, sorted(job.ntk.parameters)],
        discrepancy=job.discrepancy.model_dump(include={"features", "frequencies", "combine"}),
        kept=most_kept(job),
    )


def _inputs(job: MeasureJob, piece: Piece, dropped: dict[int, list[int]], shared: str) -> dict[str, object]:
    return {
        "shared": shared,
        "content": [piece.ref.digest, piece.ref.rows_of],
        "bad_rows": dropped.get(piece.shard, []),
        # An origin told by the folder is not in the file's digest.
        "folder": piece.ref.url if job.source.origin == "folder" else None,
        "piece": [piece.part, piece.n_parts],
    }


def most_kept(job: MeasureJob) -> int:
    """Rows of a part that its statistics keep for replicates, at most; 0 without replicates."""
    return job.value.replicate_rows if job.value.replicates else 0


def _dropped(job: MeasureJob) -> dict[int, list[int]]:
    """Rows that the gate dropped, by shard."""
    found: dict[int, list[int]] = {}
    for shard, row in sorted(bad_rows(job)):
        found.setdefault(shard, []).append(row)
    return found


def _merged_ref(job: MeasureJob, refs: list[ArtifactRef]) -> ArtifactRef:
    if len(refs) == 1:
        return refs[0]
    return job.store.ref("statistics", VERSION, pieces=sorted(ref.fingerprint for ref in refs))


def _make_statistics(
    job: MeasureJob, target: MeasureJob, piece: Piece, dropped: dict[int, list[int]], shared: str
) -> ArtifactRef:
    inputs = _inputs(job, piece, dropped, shared)
    ref, grouped = job.store.ref("piece-statistics", VERSION, **inputs), piece_groups_ref(job, inputs)
    if job.store.committed(ref) is not None and (grouped is None or job.store.committed(grouped) is not None):
        return ref
    started = time.perf_counter()
    rows = threshold_rows(job, piece.ref, dropped.get(piece.shard, []), drawn_share(job), (piece.part, piece.n_parts))
    measured = None if rows.num_rows == 0 else measured_rows(job, target, rows, read_shared_sketch(target).plan)
    if grouped is not None:
        commit_piece_groups(job, grouped, inputs, rows, measured, most_kept(job))
    by_part = {} if measured is None else _by_part(target, rows, measured)
    numbers = {f"n_{part}": len(own.keys) for part, own in by_part.items()}
    tensors = _arrays_of(job, target, by_part) | {"rows": np.array(rows.num_rows)}
    seconds = time.perf_counter() - started
    job.store.commit(ref, inputs=inputs, tensors=tensors, numbers=numbers, seconds=seconds, peak_bytes=peak_bytes())
    return ref


def _by_part(target: MeasureJob, rows: pa.Table, measured: MeasuredRows) -> dict[str, MeasuredRows]:
    """What was measured of each part that has rows, features as T compares them."""
    shared = read_shared_sketch(target)
    if shared.labels is not None:
        labels = np.array(rows["label"].to_pylist(), dtype=np.int64)
        measured = replace(measured, features=with_labels(shared.labels, measured.features, labels))
    return {part: measured.take(own) for part, own in parts_with_rows(real_rows(rows).astype(bool))}


def _arrays_of(job: MeasureJob, target: MeasureJob, by_part: Mapping[str, MeasuredRows]) -> dict[str, np.ndarray]:
    """The statistics of each part as they are stored."""
    found = dict[str, np.ndarray]()
    for part, own in by_part.items():
        arrays = SufficientStatistics.arrays_of(own, frequencies_of(target, own.features.shape[1]), most_kept(job))
        found |= {f"{part}/{name}": array for name, array in arrays.items()}
    return found


def _as_numbers(by_part: PartStatistics) -> dict[str, float]:
    return {f"n_{part}": one.n for part, one in by_part.items()}


def _added(one: PartStatistics, other: PartStatistics) -> PartStatistics:
    both = {part: one[part] + other[part] for part in PARTS if part in one and part in other}
    return one | other | both


def _as_arrays(by_part: PartStatistics) -> dict[str, np.ndarray]:
    return {f"{part}/{name}": array for part, one in by_part.items() for name, array in one.to_arrays().items()}
