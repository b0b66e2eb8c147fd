"""The NTK term of one contributor from its committed Gram matrix, by the solver that the configuration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from mixval.config.terms import NtkConfig
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Measured, half_sample_masks
from mixval.terms.half_samples import own_deviations
from mixval.terms.ntk.extrapolate import FURTHEST, extrapolated, nested_terms
from mixval.terms.ntk.iterative import iterated_quadratic_form
from mixval.terms.ntk.nystroem import nystroem_quadratic_form
from mixval.terms.ntk.quadratic import half_sample_ntk, quadratic_form
from mixval.terms.ntk.residual import residual


def measured_ntk(job: MeasureJob, stored: Mapping[str, np.ndarray]) -> Measured:
    """The term over both parts together, with the rows of its gradient sample, from the tensors of the Gram matrix."""
    theta, switches = stored["theta"], job.ntk
    misfit = residual(stored["outputs"], stored["probabilities"], switches.residual)
    form = asdict(SOLVERS[switches.method](theta, misfit, switches))
    n = len(misfit)
    used = min(n, 2 * job.value.half_sample_rows)
    masks = half_sample_masks(job, stored["keys"][:used], stored["is_real"][:used].astype(bool))
    replicates = half_sample_ntk(
        theta[:used, :used], misfit[:used], masks, switches.damping, switches.damping_mode, switches.n_blocks
    )
    shifts = own_deviations(replicates, masks) * np.sqrt(used / n)
    diagnostics = form | {"method": switches.method, "output": switches.output, "residual": switches.residual}
    if not switches.extrapolate:
        return Measured(form["term"], shifts, n, None, diagnostics)
    carried = _carried_on(job, theta, misfit)
    return Measured(carried["term"], shifts, n, carried["standard_error"], diagnostics | {"extrapolation": carried})


def _carried_on(job: MeasureJob, theta: Floats, misfit: Floats) -> dict[str, Any]:
    """The term at all admitted rows, or at eight times those measured."""
    nested = nested_terms(theta, misfit, job.ntk.damping, job.ntk.damping_mode)
    n = min(job.n_real + job.n_synthetic, int(FURTHEST * len(misfit)))
    carried = asdict(extrapolated(nested.sizes, nested.terms, n))
    return carried | {"sizes": nested.sizes.tolist(), "terms": nested.terms.tolist()}


def _exact(theta: Floats, misfit: Floats, switches: NtkConfig) -> Any:
    return quadratic_form(theta, misfit, switches.damping, switches.damping_mode, switches.n_blocks)


def _iterative(theta: Floats, misfit: Floats, switches: NtkConfig) -> Any:
    rounding = _rounding(theta)
    return iterated_quadratic_form(theta, misfit, switches.damping, switches.damping_mode, rounding=rounding)


def _nystroem(theta: Floats, misfit: Floats, switches: NtkConfig) -> Any:
    landmarks = min(switches.nystroem_rank, len(misfit))
    rounding = _rounding(theta)
    return nystroem_quadratic_form(
        theta, misfit, switches.damping, switches.damping_mode, n_landmarks=landmarks, rounding=rounding
    )


def _rounding(theta: Floats) -> float:
    """How far below 0 an eigenvalue may be: gradients are float32, so a Gram matrix is semidefinite to their rounding."""
    return float(np.finfo(np.float32).eps) * float(np.mean(np.diag(theta)))


SOLVERS: dict[str, Callable[[Floats, Floats, NtkConfig], Any]] = {
    "exact": _exact,
    "iterative": _iterative,
    "nystroem": _nystroem,
}
