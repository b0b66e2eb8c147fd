"""Where each contributor's synthetic rows stop beside T and beside its own real rows: by labels, and by clusters of T's rows.

Counted are the rows that sufficient statistics keep, a uniform sample of each part. Clusters are those of directions of T's
sketched gradients, the space in which values are computed, of about one diameter, so that how many rows a cluster has says how
dense T is there. They are made from every other row of T, which is counted by the rest: rows that made a centre are nearer to
it than others are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.cluster.vq import vq
from scipy.spatial.distance import pdist

from mixval.config.base import FrozenModel
from mixval.config.valuation import ValuationConfig
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.contracts.record import ArtifactRef
from mixval.contracts.truncation import TRUNCATION, Over, Reference
from mixval.stages.jobs import MeasureJob
from mixval.stages.mixtures import has_mixtures
from mixval.stages.routes import route_of
from mixval.stages.statistics import read_statistics, statistics_ref
from mixval.stages.steps import Step, one_call
from mixval.stages.target_gradients import read_target_gradients, target_gradients_ref
from mixval.stages.truncation_rows import truncation_rows

VERSION = 1
"""Raised whenever the numbers change."""
KIND, CLUSTERS, DOCUMENT = "truncation", "target-clusters", "truncation.json"
ROWS_A_CLUSTER, MOST_CLUSTERS = 12, 64
"""Of the rows of T that make centres."""
NARROWEST = 0.5
"""Of the median distance, the least diameter of a cluster."""
Counts = dict[str, np.ndarray]


class TruncationJob(FrozenModel):
    """A contributor whose synthetic rows are held against others."""

    job: MeasureJob
    target: MeasureJob


def truncation_jobs(config: ValuationConfig, jobs: Mapping[str, MeasureJob], target: MeasureJob) -> list[TruncationJob]:
    """Those of these contributors, by name, that have synthetic rows; none where statistics keep no rows."""
    if config.ntk.stores_rows or not has_mixtures(config) or not config.value.replicates:
        return []
    return [TruncationJob(job=jobs[name], target=target) for name in sorted(jobs) if jobs[name].n_synthetic]


def clusters_step(target: MeasureJob) -> Step:
    """The step that makes T's clusters."""
    reads = route_of(target.ntk.method).shared_steps
    return one_call("clusters", target.store, clusters_ref(target), commit_clusters, target, reads=lambda: reads(target))


def truncation_step(work: TruncationJob) -> Step:
    """The step that makes a contributor's rows of the table."""

    def reads() -> list[Step]:
        route = route_of(work.target.ntk.method)
        return [*route.shared_steps(work.target), clusters_step(work.target), *route.own_steps(work.job, work.target)]

    label = f"truncation {work.job.contributor.name}"
    return one_call(label, work.target.store, truncation_ref(work), commit_truncation, work, reads=reads)


def clusters_ref(target: MeasureJob) -> ArtifactRef:
    """Where T's clusters are, or will be, committed."""
    return target.store.ref(CLUSTERS, VERSION, target=target_gradients_ref(target).fingerprint)


def truncation_ref(work: TruncationJob) -> ArtifactRef:
    """Where a contributor's rows are, or will be, committed."""
    statistics = statistics_ref(work.job, work.target).fingerprint
    return work.target.store.ref(KIND, VERSION, statistics=statistics, clusters=clusters_ref(work.target).fingerprint)


def commit_clusters(target: MeasureJob) -> ArtifactRef:
    """Commit `centres` (K, q) and `counts` (K,) of the rows of T that made none; no centres where T has few rows."""
    ref, store = clusters_ref(target), target.store
    if store.committed(ref) is not None:
        return ref
    rows = directions(read_target_gradients(target).features)
    made, counted = rows[::2], rows[1::2]
    centres = clustered(made)
    counts = counts_of(centres, counted) if len(centres) else np.zeros(0, np.int64)
    return store.commit(ref, inputs={"n": len(rows)}, tensors={"centres": centres, "counts": counts})


def commit_truncation(work: TruncationJob) -> ArtifactRef:
    """Commit the document of a contributor's rows of `TRUNCATION`."""
    ref, store = truncation_ref(work), work.target.store
    if store.committed(ref) is not None:
        return ref
    rows = _by_labels(work) + _by_clusters(work)
    inputs = {"contributor": work.job.contributor.name}
    return store.commit(ref, inputs=inputs, documents={DOCUMENT: json.dumps(rows, sort_keys=True).encode()})


def truncation_table(works: Sequence[TruncationJob], of_tokens: Mapping[str, Sequence[Mapping[str, Any]]]) -> pa.Table:
    """Schema `TRUNCATION`, by contributor; `of_tokens` are a contributor's rows by tokens."""
    found: dict[str, list[Mapping[str, Any]]] = {
        work.job.contributor.name: list(work.target.store.read_json(truncation_ref(work), DOCUMENT)) for work in works
    }
    rows = [
        {"contributor": name, **row}
        for name in sorted({*found, *of_tokens})
        for row in (*found.get(name, ()), *of_tokens.get(name, ()))
    ]
    return pa.Table.from_pylist(rows, schema=TRUNCATION)


def clustered(rows: np.ndarray) -> np.ndarray:
    """(K, q) centres of (M, q) directions by complete linkage; (0, q) where there are too few."""
    most = min(len(rows) // ROWS_A_CLUSTER, MOST_CLUSTERS)
    if most < 2:
        return rows[:0]
    apart = pdist(rows)
    tree = linkage(apart, "complete")
    diameter = max(NARROWEST * float(np.median(apart)), float(tree[len(rows) - 1 - most, 2]))
    owners = fcluster(tree, diameter, "distance") - 1
    sums = np.zeros((owners.max() + 1, rows.shape[1]))
    np.add.at(sums, owners, rows)
    return directions(sums)


def counts_of(centres: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(K,) rows that are nearest to each centre."""
    return np.bincount(vq(rows, centres)[0], minlength=len(centres))


def directions(features: np.ndarray) -> np.ndarray:
    """(M, q) float64 rows of length 1; a row of zeros stays."""
    rows = features.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: np.ndarray = rows / np.where(lengths > 0, lengths, 1.0)
    return found


def _by_labels(work: TruncationJob) -> list[dict[str, Any]]:
    labels, n_classes = read_target_gradients(work.target).objective.labels, len(work.target.classes or ())
    if labels is None:
        return []
    own = {
        part: np.bincount(one.kept.labels[one.kept.labels >= 0], minlength=n_classes)
        for part, one in read_statistics(work.job, statistics_ref(work.job, work.target)).items()
    }
    return _rows_of("labels", own, np.bincount(labels, minlength=n_classes))


def _by_clusters(work: TruncationJob) -> list[dict[str, Any]]:
    stored = work.target.store.read_tensors(clusters_ref(work.target))
    centres = stored["centres"]
    if not len(centres):
        return []
    own = {
        part: counts_of(centres, directions(one.kept.features))
        for part, one in read_statistics(work.job, statistics_ref(work.job, work.target)).items()
    }
    return _rows_of("clusters", own, stored["counts"])


def _rows_of(over: Over, own: Counts, target: np.ndarray) -> list[dict[str, Any]]:
    references: dict[Reference, np.ndarray] = {"target": target[None]}
    if REAL in own:
        references["real"] = own[REAL][None]
    return truncation_rows(over, own[SYNTHETIC][None], references) if SYNTHETIC in own else []
