"""The four terms of one contributor from what is stored, with standard errors and half-sample deviations (Eq. 8).

Needs no model: another kernel, damping, estimator or number of replicates runs on the committed passes alone. Replicate r
keeps the same half of T for every contributor, so that what they share cancels when they are compared.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import PARTS, TERMS, TERMS_TABLE
from mixval.stages.forward import forward_ref
from mixval.stages.gradients import gram_ref
from mixval.stages.jobs import MeasureJob
from mixval.stages.target import target_features, target_kernel
from mixval.terms.composition.term import composition_term
from mixval.terms.discrepancy.mmd import MmdEstimate, measure_part
from mixval.terms.half_samples import deviations, half_masks
from mixval.terms.loss.mean import LossEstimate, estimate_loss, half_sample_losses
from mixval.terms.ntk.quadratic import half_sample_ntk, quadratic_form
from mixval.terms.ntk.residual import residual
from mixval.terms.parts import combine_parts, combine_variances

VERSION = 1
"""Raised whenever the numbers change."""

SMALLEST_HALVED = 4
"""A part with fewer rows is kept whole in every replicate: half of it would be too few for an unbiased MMD."""

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]


def terms_ref(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Where the contributor's terms are, or will be, committed."""
    return job.store.ref("terms", VERSION, **_inputs(job, target))


def contributor_terms(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Commit `terms` (4,), `standard_errors` (4,), `deviations` (R, 4), `n_gradient_rows` (1,) and the table `terms`."""
    ref = terms_ref(job, target)
    if job.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    forward = job.store.read_tensors(forward_ref(job))
    measured = [_loss(job, forward), _discrepancy(job, target, forward), _ntk(job), _composition(job)]
    shifts = np.stack([one.deviations for one in measured], axis=1)
    tensors = {
        "terms": np.array([one.value for one in measured]),
        "standard_errors": np.array([one.standard_error(shifts[:, i]) for i, one in enumerate(measured)]),
        "deviations": shifts,
        "n_gradient_rows": np.array([measured[TERMS.index("ntk")].n]),
    }
    job.store.commit(
        ref,
        inputs=_inputs(job, target),
        tensors=tensors,
        tables={"terms": _table(job, measured, tensors["standard_errors"])},
        numbers={term: one.value for term, one in zip(TERMS, measured, strict=True)},
        seconds=time.perf_counter() - started,
    )
    return ref


class Measured:
    """One term of one contributor."""

    def __init__(self, value: float, shifts: Floats, n: int, error: float | None, diagnostics: dict[str, Any]) -> None:
        """Keep the term, its deviations (R,), its rows, its closed-form standard error and what to report of it."""
        self.value, self.deviations, self.n, self.error, self.diagnostics = value, shifts, n, error, diagnostics
        self.parts: dict[str, tuple[float, float | None, int, dict[str, Any]]] = {}

    def standard_error(self, shifts: Floats) -> float:
        """Of the term: in closed form where there is one, else the half-samples' spread; 0 when neither is known."""
        if self.error is not None:
            return self.error
        return float(shifts.std(ddof=1)) if len(shifts) > 1 else 0.0


def _inputs(job: MeasureJob, target: MeasureJob) -> dict[str, object]:
    return {
        "contributor": job.contributor.name,
        "forward": forward_ref(job).fingerprint,
        "gram": gram_ref(job).fingerprint,
        "target": forward_ref(target).fingerprint,
        "counts": [job.n_real, job.n_synthetic],
        "loss": job.loss,
        "discrepancy": job.discrepancy,
        "ntk": job.ntk.model_dump(include={"residual", "damping", "damping_mode", "n_blocks"}),
        "half_samples": [job.value.half_samples, job.value.half_sample_rows],
    }


def _loss(job: MeasureJob, forward: Mapping[str, np.ndarray]) -> Measured:
    parts: dict[str, LossEstimate] = {}
    replicates: dict[str, Floats] = {}
    is_real = forward["is_real"].astype(bool)
    masks = _masks(job, forward["keys"], is_real)
    for part, rows in _parts(is_real):
        parts[part] = estimate_loss(forward["losses"][rows], forward["counts"][rows], job.loss.average)
        replicates[part] = half_sample_losses(
            forward["losses"][rows], forward["counts"][rows], masks[:, rows], job.loss.average
        )
    variances = {part: (one.standard_error or 0.0) ** 2 for part, one in parts.items()}
    measured = Measured(
        combine_parts({part: one.mean for part, one in parts.items()}, job.n_real, job.n_synthetic),
        _deviations(_mixed(replicates, job), masks),
        len(is_real),
        float(np.sqrt(combine_variances(variances, job.n_real, job.n_synthetic))),
        {"average": job.loss.average},
    )
    for part, one in parts.items():
        numbers = {"total": one.total, "tokens": one.total_count}
        measured.parts[part] = (one.mean, one.standard_error, one.n, numbers)
    return measured


def _discrepancy(job: MeasureJob, target: MeasureJob, forward: Mapping[str, np.ndarray]) -> Measured:
    switches = job.discrepancy
    keys, features = target_features(target)
    kernel = target_kernel(target, switches, _masks(job, keys, np.ones(len(keys), dtype=bool)), features)
    is_real = forward["is_real"].astype(bool)
    masks = _masks(job, forward["keys"], is_real)
    split = _parts(is_real) if switches.parts == "split" else [("all", np.ones(len(is_real), dtype=bool))]
    estimates: dict[str, MmdEstimate] = {}
    replicates: dict[str, Floats] = {}
    for part, rows in split:
        estimates[part], replicates[part] = measure_part(
            kernel, forward["features"][rows], switches.estimator, switches.scale, masks[:, rows]
        )
    pooled = estimates.get("all")
    value = pooled.value if pooled else combine_parts(_values(estimates), job.n_real, job.n_synthetic)
    mixed = replicates["all"] if pooled else _mixed(replicates, job)
    diagnostics = {
        "estimator": switches.estimator,
        "scale": switches.scale,
        "bandwidths": list(kernel.kernel.bandwidths),
        "target_rows": len(features),
        "squared": pooled.squared if pooled else None,
    }
    measured = Measured(value, _deviations(mixed, masks), len(is_real), None, diagnostics)
    for part, one in estimates.items():
        if part in PARTS:
            spread = _deviations(replicates[part], masks)
            error = float(spread.std(ddof=1)) if len(spread) > 1 else None
            measured.parts[part] = (one.value, error, one.n, {"squared": one.squared, "squared_se": one.standard_error})
    return measured


def _ntk(job: MeasureJob) -> Measured:
    stored = job.store.read_tensors(gram_ref(job))
    theta, switches = stored["theta"], job.ntk
    misfit = residual(stored["outputs"], stored["probabilities"], switches.residual)
    form = quadratic_form(theta, misfit, switches.damping, switches.damping_mode, switches.n_blocks)
    n = len(misfit)
    used = min(n, 2 * job.value.half_sample_rows)
    masks = _masks(job, stored["keys"][:used], stored["is_real"][:used].astype(bool))
    replicates = half_sample_ntk(
        theta[:used, :used], misfit[:used], masks, switches.damping, switches.damping_mode, switches.n_blocks
    )
    shifts = _deviations(replicates, masks) * np.sqrt(used / n)
    diagnostics = asdict(form) | {"output": switches.output, "residual": switches.residual}
    return Measured(form.term, shifts, n, None, diagnostics)


def _composition(job: MeasureJob) -> Measured:
    shifts = np.zeros(job.value.half_samples)
    return Measured(composition_term(job.n_real, job.n_synthetic), shifts, job.n_real + job.n_synthetic, 0.0, {})


def _masks(job: MeasureJob, keys: np.ndarray, is_real: Masks) -> Masks:
    masks = half_masks(keys.astype(np.uint64), is_real, job.value.half_samples, job.seed)
    for _, rows in _parts(is_real):
        if rows.sum() < SMALLEST_HALVED:
            masks[:, rows] = True
    return masks


def _parts(is_real: Masks) -> list[tuple[str, Masks]]:
    """The parts that have rows, in the order of `PARTS`."""
    return [(part, rows) for part, rows in zip(PARTS, (is_real, ~is_real), strict=True) if rows.any()]


def _values(estimates: Mapping[str, MmdEstimate]) -> dict[str, float | None]:
    return {part: one.value for part, one in estimates.items()}


def _mixed(replicates: Mapping[str, Floats], job: MeasureJob) -> Floats:
    shares = {"real": job.n_real, "synthetic": job.n_synthetic}
    total = job.n_real + job.n_synthetic
    return np.asarray(sum(values * (shares[part] / total) for part, values in replicates.items()))


def _deviations(replicates: Floats, masks: Masks) -> Floats:
    if len(replicates) == 0:
        return np.zeros(0)
    n, m = masks.shape[1], int(masks[0].sum())
    return deviations(replicates, n, m) if m < n else np.zeros(len(replicates))


def _table(job: MeasureJob, measured: list[Measured], errors: Floats) -> pa.Table:
    rows = []
    for term, one, error in zip(TERMS, measured, errors, strict=True):
        listed = [("all", (one.value, float(error), one.n, one.diagnostics)), *one.parts.items()]
        for part, (estimate, standard_error, n, diagnostics) in listed:
            rows.append(
                {
                    "contributor": job.contributor.name,
                    "part": part,
                    "term": term,
                    "estimate": estimate,
                    "standard_error": standard_error,
                    "n": n,
                    "diagnostics": json.dumps(diagnostics, sort_keys=True),
                }
            )
    return pa.Table.from_pylist(rows, schema=TERMS_TABLE)
