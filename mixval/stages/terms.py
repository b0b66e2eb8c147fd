"""The four terms of one contributor from what is stored, with standard errors and half-sample deviations (Eq. 8), and its risk.

Needs no model: another kernel, damping, estimator or number of replicates runs on the committed passes alone. Replicate r
keeps the same half of T for every contributor, so that what they share cancels when they are compared.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from mixval.contracts.record import ArtifactRef
from mixval.stages.discrepancy import measured_discrepancy
from mixval.stages.forward import forward_ref
from mixval.stages.gradients import gram_ref
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Measured, commit_terms, half_sample_masks, mixed_replicates, parts_with_rows
from mixval.stages.risk import measured_risk, summary_risk
from mixval.stages.summaries import near_target, read_summary, summary_ref
from mixval.stages.summary_terms import require_rows, summary_discrepancy, summary_loss, summary_ntk
from mixval.stages.tangent import measured_ntk
from mixval.stages.target_gradients import read_target_gradients, target_gradients_ref
from mixval.terms.composition.term import composition_term
from mixval.terms.half_samples import own_deviations
from mixval.terms.loss.mean import LossEstimate, estimate_loss, half_sample_losses
from mixval.terms.parts import combine_parts, combine_variances

VERSION = 5
"""Raised whenever the numbers change."""


def terms_ref(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Where the contributor's terms are, or will be, committed."""
    return job.store.ref("terms", VERSION, **_inputs(job, target))


def contributor_terms(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Commit `terms` (4,), `standard_errors` (4,), `deviations` (R, 4), `n_gradient_rows` (1,) and the table `terms`.

    Where the value is the risk also `risk` (1,), `risk_deviations` (R,) and a row of the table; of causal LMs `displacement`
    (1,) and `slope_deviations` (R,) too (`mixval/terms/ntk/trained_gain.py`). From a summary also `ntk_as_sketched` (1,), the
    term with the sketch's bias in it, and `is_full` (1,), whether the other one could not be told.
    """
    ref = terms_ref(job, target)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    more: dict[str, Floats] = {}
    risk: Measured | None = None
    if job.ntk.method == "sketched":
        summary = read_summary(job, summary_ref(job, target))
        require_rows(job, summary)
        ntk, as_sketched = summary_ntk(job, summary)
        more = {"ntk_as_sketched": np.array([as_sketched]), "is_full": np.array([ntk.diagnostics["is_full"]], dtype=float)}
        discrepancy = summary_discrepancy(job, target, summary)
        discrepancy.diagnostics["near_target"] = near_target(job, summary_ref(job, target))
        measured = [summary_loss(job, summary), discrepancy, ntk, composition(job)]
        risk = summary_risk(job, summary, read_target_gradients(target)) if is_risk(job) else None
    else:
        forward, stored = job.store.read_tensors(forward_ref(job)), job.store.read_tensors(gram_ref(job, target))
        ntk = measured_ntk(job, stored)
        measured = [_loss(job, forward), measured_discrepancy(job, target, forward), ntk, composition(job)]
        risk = measured_risk(job, target, forward, stored) if is_risk(job) else None
    return commit_terms(job, ref, _inputs(job, target), measured, risk, time.perf_counter() - started, **more)


def is_risk(job: MeasureJob) -> bool:
    """Whether the value is the NTK-regression risk."""
    return job.value.method == "risk"


def _inputs(job: MeasureJob, target: MeasureJob) -> dict[str, object]:
    if job.ntk.method == "sketched":
        measured: dict[str, object] = {"summary": summary_ref(job, target).fingerprint}
        switches = {"residual", "damping", "damping_mode"}
    else:
        measured = {"forward": forward_ref(job).fingerprint, "gram": gram_ref(job, target).fingerprint}
        switches = {"method", "residual", "damping", "damping_mode", "n_blocks"}
    if is_risk(job):
        measured["risk"] = [job.risk_damping] + (["rows-read", 1] if job.values_rows_read else [])
        measured |= {"target_gradients": target_gradients_ref(target).fingerprint} if job.ntk.method == "sketched" else {}
    return measured | {
        "contributor": job.contributor.name,
        "target": forward_ref(target).fingerprint,
        "counts": [job.n_real, job.n_synthetic],
        "loss": job.loss,
        "discrepancy": job.discrepancy,
        "ntk": job.ntk.model_dump(include=switches),
        "half_samples": [job.value.half_samples, job.value.half_sample_rows],
    }


def _loss(job: MeasureJob, forward: Mapping[str, np.ndarray]) -> Measured:
    parts: dict[str, LossEstimate] = {}
    replicates: dict[str, Floats] = {}
    is_real = forward["is_real"].astype(bool)
    masks = half_sample_masks(job, forward["keys"], is_real)
    for part, rows in parts_with_rows(is_real):
        parts[part] = estimate_loss(forward["losses"][rows], forward["counts"][rows], job.loss.average)
        replicates[part] = half_sample_losses(
            forward["losses"][rows], forward["counts"][rows], masks[:, rows], job.loss.average
        )
    variances = {part: (one.standard_error or 0.0) ** 2 for part, one in parts.items()}
    measured = Measured(
        combine_parts({part: one.mean for part, one in parts.items()}, job.n_real, job.n_synthetic),
        own_deviations(mixed_replicates(replicates, job), masks),
        len(is_real),
        float(np.sqrt(combine_variances(variances, job.n_real, job.n_synthetic))),
        {"average": job.loss.average},
    )
    for part, one in parts.items():
        numbers = {"total": one.total, "tokens": one.total_count}
        measured.parts[part] = (one.mean, one.standard_error, one.n, numbers)
    return measured


def composition(job: MeasureJob) -> Measured:
    """The composition term, which is exact."""
    shifts = np.zeros(job.value.half_samples)
    return Measured(composition_term(job.n_real, job.n_synthetic), shifts, job.n_real + job.n_synthetic, 0.0, {})
