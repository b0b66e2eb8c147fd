"""The plan stage: everything that is known before any contributor's row is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from mixval.config.fingerprint import fingerprint
from mixval.config.valuation import ValuationConfig
from mixval.contracts.plan import ContributorPlan, WorkPlan, content_digest
from mixval.contracts.record import ArtifactRef
from mixval.contracts.schemas import versions_of
from mixval.contracts.terms import TERMS
from mixval.contracts.warnings import RunWarning, warning
from mixval.models.identity import backbone_identity
from mixval.models.output_names import output_names_doubt
from mixval.stages.footprint import probe_footprint
from mixval.stages.gating import profile
from mixval.stages.jobs import MeasureJob, target_job
from mixval.stages.limits import with_limits
from mixval.stages.planning import make_plan
from mixval.stages.result_tables import result_tables
from mixval.storage.listing import Inputs, list_inputs
from mixval.storage.root import open_location
from mixval.storage.shards import source_of_target

VERSION = 3
"""Raised whenever a change makes older runs out of date."""


@dataclass(frozen=True)
class PreparedRun:
    """A plan and the inputs it was made from."""

    plan: WorkPlan
    target: ArtifactRef
    """The target's profile."""
    target_job: MeasureJob
    classes: list[int] | None
    identity: dict[str, Any]
    fingerprint: str
    fitted: str | None
    """Digest of the file of fitted weights, where there is one."""
    warnings: list[RunWarning]
    """What target and checkpoint give reason to doubt, before any contributor is read."""


def prepare_run(config: ValuationConfig, workers: int, worker_memory_bytes: int, inputs: Inputs | None = None) -> PreparedRun:
    """List, profile the target, probe the backbone, plan. Raises, before a cluster is up, as each of them does."""
    if config.tables is not None:
        result_tables(config.tables, config.source.storage)  # refused before anything is paid for
    inputs = inputs or list_inputs(config.source)
    target_shards = inputs[1]
    of_target = config.model_copy(update={"source": source_of_target(target_shards, config.source)})
    target, profiled = profile(of_target, target_shards)
    classes = [int(label) for label in profiled.labels] if config.task_spec.has_labels else None
    backbone = config.backbone
    doubt = output_names_doubt(backbone.path, backbone.revision, backbone.head, profiled.class_names)
    identity = backbone_identity(config.backbone, config.task, classes)
    listed = ContributorPlan(
        name="target",
        shards=target_shards,
        n_rows=profiled.n_rows,
        n_sampled=0,
        n_gradient_rows=0,
        n_passes=0,
        task_bytes=0,
        seconds=0.0,
    )
    job = target_job(of_target, listed, identity, classes, profiled.classes)
    footprint = probe_footprint(job)
    plan = with_limits(make_plan(config, inputs, footprint, workers, worker_memory_bytes), config.runtime)
    warnings = [] if doubt is None else [warning("other-output-names", doubt)]
    warnings += [warning(kind, words) for kind, words in footprint.notes.items()]
    fitted = fitted_digest(config)
    return PreparedRun(plan, target, job, classes, identity, run_fingerprint(config, inputs, fitted), fitted, warnings)


def fitted_digest(config: ValuationConfig) -> str | None:
    """Digest of the file of fitted weights, where there is one."""
    url = config.value.fitted_weights
    return open_location(url, config.source.storage).content_digest() if url else None


def run_fingerprint(config: ValuationConfig, inputs: Inputs, fitted: str | None = None) -> str:
    """Names configuration and inputs; where and how wide it computes, and where results lie, are not part of it.

    Files that the configuration names by path are inputs too: a checkpoint, a tokenizer, fitted weights. A run of other schemas
    or terms is published again, from the artifacts that are there.
    """
    contributors, target = inputs
    settings = config.model_dump(mode="json", exclude={"runtime", "output", "tables"})
    content = sorted([name, content_digest(shards)] for name, shards in contributors.items())
    return fingerprint(
        "run",
        VERSION,
        config=settings,
        contributors=content,
        target=content_digest(target),
        model=backbone_identity(config.backbone, config.task, None),
        published=versions_of("mixval value"),
        terms=list(TERMS),
        fitted=fitted or fitted_digest(config),
    )


_PREPARED: ContextVar[tuple[ValuationConfig, PreparedRun] | None] = ContextVar("mixval_prepared", default=None)


@contextmanager
def stash_prepared(config: ValuationConfig, prepared: PreparedRun) -> Iterator[None]:
    """Within this block a flow for `config` takes `prepared` as its plan instead of listing everything again."""
    token = _PREPARED.set((config, prepared))
    try:
        yield
    finally:
        _PREPARED.reset(token)


def take_prepared(config: ValuationConfig) -> PreparedRun | None:
    """The plan that was stashed for this configuration, if any."""
    handed = _PREPARED.get()
    return handed[1] if handed is not None and handed[0] == config else None
