"""The terms of one contributor from committed artifacts, with standard errors and deviations of replicates (Eq. 8), and its
value.

Needs no model: another kernel, damping, estimator or number of replicates runs on the committed passes alone. T's rows have
the same multipliers for every contributor, so that errors from T cancel when contributors are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from mixval.contracts.record import ArtifactRef
from mixval.contracts.terms import TERMS
from mixval.stages.forward import forward_ref
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import commit_terms
from mixval.stages.routes import route_of
from mixval.stages.steps import Step, one_call

VERSION = 8
"""Raised whenever the numbers change."""


StepsOf = Callable[[MeasureJob, MeasureJob, list[Step]], list[Step]]
"""The steps of one contributor in order, from its job, the target's, and the steps that contributors share."""


def contributor_steps(job: MeasureJob, target: MeasureJob, shared: list[Step]) -> list[Step]:
    """All of one contributor's steps in order, its terms last; they wait for the steps that contributors share."""
    own = route_of(job.ntk.method).own_steps(job, target)
    label, ref = f"terms {job.contributor.name}", terms_ref(job, target)
    steps = [*own, one_call(label, job.store, ref, contributor_terms, job, target, after=[*shared, *own])]
    return [replace(step, most_seconds=job.contributor.most_seconds) for step in steps]


def statistics_steps(job: MeasureJob, target: MeasureJob, shared: list[Step]) -> list[Step]:  # noqa: ARG001  as `StepsOf`
    """The steps of one contributor up to what coalitions are valued from: without terms."""
    own = route_of(job.ntk.method).own_steps(job, target)
    return [replace(step, most_seconds=job.contributor.most_seconds) for step in own]


def terms_ref(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Where the contributor's terms are, or will be, committed."""
    return job.store.ref("terms", VERSION, **_inputs(job, target))


def contributor_terms(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Commit `terms` (T,), `standard_errors` (T,), `deviations` (R, T), `n_gradient_rows` (1,) and the table `terms`.

    Where the value is by NTK regression also `regression_value` (1,), `regression_deviations` (R,) and a row of the table; of
    causal LMs `displacement` (1,) and `displacement_deviations` (R,) too (`mixval/terms/ntk/trained_gain.py`). From sufficient
    statistics also `ntk_as_sketched` (1,), the term with the sketch's bias, and `is_full` (1,), 1 if the bias is unknown.
    """
    ref = terms_ref(job, target)
    if job.store.committed(ref) is not None:
        return ref
    started, route = time.perf_counter(), route_of(job.ntk.method)
    stored = route.stored(job, target)
    terms = route.terms(job, target, stored)
    value = route.value(job, target, stored) if job.is_ntk_regression else None
    return commit_terms(job, ref, _inputs(job, target), terms, value, time.perf_counter() - started)


def _inputs(job: MeasureJob, target: MeasureJob) -> dict[str, object]:
    return route_of(job.ntk.method).inputs(job, target) | {
        "terms": list(TERMS),
        "contributor": job.contributor.name,
        "target": forward_ref(target).fingerprint,
        "counts": [job.n_real, job.n_synthetic],
        "loss": job.loss,
        "discrepancy": job.discrepancy,
        "replicates": [job.value.replicates, job.value.replicate_rows, job.value.confidence],
    }
