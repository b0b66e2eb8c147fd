"""Batches as holdings add them up: what was measured together, the rows of a delivery or of a file of the table.

A batch is small to look up: which statistics are its, and the content keys of its rows; the sums themselves are those of the
pass that measured it (`statistics.py`), and are stored once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from mixval.config.base import FrozenModel
from mixval.config.fingerprint import fingerprint
from mixval.config.sample import SampleConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.errors import LostArtifactError
from mixval.stages.gating import read_digests
from mixval.stages.jobs import MeasureJob
from mixval.stages.regression_value import responses_of
from mixval.stages.routes import route_of
from mixval.stages.rows import bad_rows
from mixval.stages.shared_sketch import shared_sketch_ref
from mixval.stages.statistics import read_statistics, statistics_ref
from mixval.stages.steps import Step, make_here
from mixval.stages.target_gradients import read_target_gradients
from mixval.storage.shards import stream_rows
from mixval.terms.discrepancy.random_features import MeanEmbedding
from mixval.terms.loss.sums import COLUMNS
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.sufficient_statistics import SufficientStatistics
from mixval.valuation.held_rows import HeldRows, row_keys
from mixval.valuation.summed_rows import SampledSums

VERSION = 1
"""Raised whenever what is stored of a batch changes."""
BATCH = "batch.json"

Make = Callable[[Step], ArtifactRef]
"""Makes a step's artifact, in this process or on a cluster."""


@dataclass(frozen=True)
class Batch:
    """Rows that were measured together."""

    name: str
    """Digest of the delivery, or the path of the table's file."""
    contributor: str | None
    """None where it is unknown."""
    parts: dict[str, SampledSums]
    """By part; a part without rows is left out."""
    rows: HeldRows
    """All of its rows, by content."""
    embedding: MeanEmbedding | None
    """Of the rows measured, both parts; None without any."""
    n_tokens: float | None
    """Answer tokens of all rows, of a causal LM."""

    @property
    def n_rows(self) -> int:
        """Rows admitted."""
        return sum(one.admitted for one in self.parts.values())


class StoredBatch(FrozenModel):
    """Where the parts of a batch lie."""

    name: str
    contributor: str | None
    n_by_part: dict[str, int]
    statistics: tuple[str, str]
    """Kind and fingerprint of the artifact with its sums."""


def settings_of(target: MeasureJob, sample: SampleConfig) -> str:
    """A digest of all that sums must agree in to be added: model, target, sketch, seeds, and which rows are drawn."""
    return fingerprint(
        "held-settings",
        VERSION,
        **target.model_key(),
        columns=target.source.columns,
        task=target.task,
        seed=target.seed,
        sample=sample,
        shared=shared_sketch_ref(target).fingerprint,
        ntk=[target.ntk.output, target.ntk.residual, sorted(target.ntk.parameters)],
        discrepancy=target.discrepancy.model_dump(include={"features", "frequencies", "combine"}),
        kept=_most_kept(target),
    )


def measure_batch(
    config: ValuationConfig,
    job: MeasureJob,
    target: MeasureJob,
    gated: ArtifactRef,
    name: str,
    contributor: str | None,
    make: Make = make_here,
) -> Batch:
    """The batch of an admitted job whose gate's outcome is `gated`: measured unless it was, and noted under `name`.

    `name` is the digest of a delivery, or the path of a file of the table; `contributor` is None where it is not known whose
    rows they are. `config` is that of the valuation.
    """
    for step in (*route_of(target.ntk.method).shared_steps(target), *route_of(target.ntk.method).own_steps(job, target)):
        make(step)
    statistics = statistics_ref(job, target)
    told = StoredBatch(
        name=name,
        contributor=contributor,
        n_by_part={part: n for part, n in job.rows_by_part.items() if n},
        statistics=(statistics.kind, statistics.fingerprint),
    )
    ref = _ref(target, config.sample, name)
    if target.store.committed(ref) is None:
        keys = row_keys(read_digests(config, gated), _labels(job))
        documents = {BATCH: told.model_dump_json(indent=1).encode()}
        target.store.commit(ref, inputs={"name": name}, tensors={"keys": np.unique(keys)}, documents=documents)
    return _read(target, ref, told)


def stored_batch(target: MeasureJob, sample: SampleConfig, name: str) -> Batch | None:
    """The batch that was noted under this name; None where it was not measured, or what was stored is gone."""
    ref = _ref(target, sample, name)
    if target.store.committed(ref) is None:
        return None
    try:
        return _read(target, ref, target.store.read_model(ref, BATCH, StoredBatch))
    except LostArtifactError:  # told where it was found; the rows are measured again
        return None


def _ref(target: MeasureJob, sample: SampleConfig, name: str) -> ArtifactRef:
    return target.store.ref("held-batch", VERSION, settings=settings_of(target, sample), name=name)


def _read(target: MeasureJob, ref: ArtifactRef, told: StoredBatch) -> Batch:
    statistics = ArtifactRef(kind=told.statistics[0], fingerprint=told.statistics[1], root=ref.root)
    by_part = read_statistics(target, statistics)
    objective = read_target_gradients(target).objective
    of_parts = [(one, told.n_by_part[part]) for part, one in by_part.items()]
    embeddings = [one.embedding for one, _ in of_parts]
    return Batch(
        name=told.name,
        contributor=told.contributor,
        parts={part: _sums(one, told.n_by_part[part], objective) for part, one in by_part.items()},
        rows=HeldRows.of(target.store.read_tensors(ref)["keys"].astype(np.uint64)),
        embedding=reduce(add, embeddings) if embeddings else None,
        n_tokens=sum(_tokens(one) * n / one.n for one, n in of_parts) if target.classes is None else None,
    )


def _sums(one: SufficientStatistics, n_admitted: int, objective: TargetObjective) -> SampledSums:
    weight, kept = n_admitted / one.n, one.kept
    return SampledSums(
        admitted=n_admitted,
        measured=one.n,
        gram=weight * one.gradients.gram,
        cross=weight * one.gradients.responses / objective.unit,
        limit=kept.limit,
        keys=kept.keys,
        features=kept.features,
        responses=responses_of([kept], objective),
        weights=np.full(len(kept.keys), weight),
    )


def _tokens(one: SufficientStatistics) -> float:
    """Answer tokens of the measured rows."""
    return float(one.losses.groups[:, COLUMNS.index("count")].sum())


def _labels(job: MeasureJob) -> np.ndarray | None:
    """(N,) labels of the admitted rows in the order in which they lie; None where rows have none."""
    if job.classes is None:
        return None
    left_out, found = bad_rows(job), list[np.ndarray]()
    shards = job.contributor.shards
    for batch in stream_rows(shards, job.source, job.task, columns=["label"], classes=job.target_classes):
        numbers = range(batch.row_offset, batch.row_offset + batch.table.num_rows)
        good = [at for at, row in enumerate(numbers) if (batch.shard_index, row) not in left_out]
        found.append(batch.table["label"].take(good).to_numpy().astype(np.int64))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _most_kept(target: MeasureJob) -> int:
    return target.value.replicate_rows if target.value.replicates else 0
