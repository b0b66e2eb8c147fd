"""Batches as holdings add them up: what was measured together, the rows of a delivery or of a file of the table.

A batch is small to look up: which statistics are its, and the content keys of its rows; the sums themselves are those of the
pass that measured it (`statistics.py`), and are stored once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
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
from mixval.stages.kept import LastMade
from mixval.stages.regression_value import responses_of
from mixval.stages.routes import route_of
from mixval.stages.row_names import content_of, row_names
from mixval.stages.shared_sketch import shared_sketch_ref
from mixval.stages.statistics import PartStatistics, most_kept, read_small_statistics, read_statistics, statistics_ref
from mixval.stages.steps import MOST_LOST, Step, make_here
from mixval.stages.target_gradients import read_target_gradients
from mixval.terms.discrepancy.random_features import MeanEmbedding
from mixval.terms.loss.sums import COLUMNS
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.replicates import Keys
from mixval.terms.sufficient_statistics import SmallStatistics, SufficientStatistics
from mixval.valuation.held_rows import HeldRows
from mixval.valuation.summed_rows import SampledSums

VERSION = 1
"""Raised whenever what is stored of a batch changes."""
BATCH = "batch.json"

_READ = LastMade[PartStatistics]()

Make = Callable[[Step], ArtifactRef]
"""Makes a step's artifact, in this process or on a cluster."""


@dataclass(frozen=True)
class Batch:
    """Rows that were measured together."""

    name: str
    """Digest of the delivery, or the path of the table's file."""
    contributor: str | None
    """None where it is unknown."""
    n_by_part: dict[str, int]
    """Part -> rows admitted; a part without rows is left out."""
    parts: Callable[[], dict[str, SampledSums]]
    """Reads the sums by part, real rows first. They are large: of hundreds of batches only those at hand are in memory."""
    rows: HeldRows
    """All of its rows, by content."""
    kept: dict[str, Keys]
    """By part, the content keys of the rows that the sums keep, in their order."""
    embedding: MeanEmbedding | None
    """Of the rows measured, both parts; None without any."""
    n_tokens: float | None
    """Answer tokens of all rows, of a causal LM."""

    @property
    def n_rows(self) -> int:
        """Rows admitted."""
        return sum(self.n_by_part.values())


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
        origin=target.source.origin,
        task=target.task,
        seed=target.seed,
        sample=sample,
        shared=shared_sketch_ref(target).fingerprint,
        ntk=[target.ntk.output, target.ntk.residual, sorted(target.ntk.parameters)],
        discrepancy=target.discrepancy.model_dump(include={"features", "frequencies", "combine"}),
        kept=most_kept(target),
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
    route, ref = route_of(target.ntk.method), batch_ref(target, config.sample, name)
    statistics = statistics_ref(job, target)
    told = StoredBatch(
        name=name,
        contributor=contributor,
        n_by_part={part: n for part, n in job.rows_by_part.items() if n},
        statistics=(statistics.kind, statistics.fingerprint),
    )
    n_lost = 0
    while True:
        for step in (*route.shared_steps(target), *route.own_steps(job, target)):
            make(step)
        try:
            _note(config, job, gated, ref, told)
            return _read(target, ref, told)
        except LostArtifactError:  # discarded and told where it was found: it is made again
            n_lost += 1
            if n_lost > MOST_LOST:
                raise


def _note(config: ValuationConfig, job: MeasureJob, gated: ArtifactRef, ref: ArtifactRef, told: StoredBatch) -> None:
    """Commit what is told of a batch with its rows' keys, over what was told when the gate had other limits."""
    if job.store.committed(ref) is not None:
        if job.store.read_model(ref, BATCH, StoredBatch) == told:
            return
        job.store.discard(ref)
    documents = {BATCH: told.model_dump_json(indent=1).encode()}
    tensors = row_names(job, read_digests(config, gated))
    job.store.commit(ref, inputs={"name": told.name}, tensors=tensors, documents=documents)


def stored_batch(target: MeasureJob, sample: SampleConfig, name: str) -> Batch | None:
    """The batch that was noted under this name; None where it was not measured, or what was stored is gone."""
    ref = batch_ref(target, sample, name)
    if target.store.committed(ref) is None:
        return None
    try:
        return _read(target, ref, target.store.read_model(ref, BATCH, StoredBatch))
    except LostArtifactError:  # told where it was found; the rows are measured again
        return None


def batch_ref(target: MeasureJob, sample: SampleConfig, name: str) -> ArtifactRef:
    """Where what is noted of a batch is, or will be, committed."""
    return target.store.ref("held-batch", VERSION, settings=settings_of(target, sample), name=name)


def _read(target: MeasureJob, ref: ArtifactRef, told: StoredBatch) -> Batch:
    statistics = ArtifactRef(kind=told.statistics[0], fingerprint=told.statistics[1], root=ref.root)
    by_part, names = read_small_statistics(target, statistics), target.store.read_tensors(ref)
    embeddings = [one.embedding for one in by_part.values()]
    tokens = sum(_tokens(one) * told.n_by_part[part] / one.n for part, one in by_part.items())
    return Batch(
        name=told.name,
        contributor=told.contributor,
        n_by_part=told.n_by_part,
        parts=partial(_sums, target, statistics, told.n_by_part),
        rows=HeldRows.of(names["content"].astype(np.uint64)),
        kept={part: content_of(names, one.keys) for part, one in by_part.items()},
        embedding=reduce(add, embeddings) if embeddings else None,
        n_tokens=tokens if target.classes is None else None,
    )


def _sums(target: MeasureJob, statistics: ArtifactRef, n_by_part: Mapping[str, int]) -> dict[str, SampledSums]:
    objective, by_part = read_target_gradients(target).objective, _statistics(target, statistics)
    return {part: _weighted(one, n_by_part[part], objective) for part, one in by_part.items()}


def _statistics(target: MeasureJob, ref: ArtifactRef) -> PartStatistics:
    """Of the batch read last, whose sums are often wanted next, they are in memory."""
    return _READ.get(f"{ref.root} {ref.kind} {ref.fingerprint}", lambda: read_statistics(target, ref))


def _weighted(one: SufficientStatistics, n_admitted: int, objective: TargetObjective) -> SampledSums:
    weight, kept = n_admitted / one.n, one.kept
    return SampledSums(
        admitted=n_admitted,
        measured=one.n,
        gram=one.gradients.gram if weight == 1 else weight * one.gradients.gram,
        cross=weight * one.gradients.responses / objective.unit,
        limit=kept.limit,
        keys=kept.keys,
        features=kept.features,
        responses=responses_of([kept], objective),
        weights=np.full(len(kept.keys), weight),
    )


def _tokens(one: SmallStatistics) -> float:
    """Answer tokens of the measured rows."""
    return float(one.losses.groups[:, COLUMNS.index("count")].sum())
