"""The NTK term of one contributor from its committed Gram matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Measured, half_sample_masks
from mixval.terms.half_samples import own_deviations
from mixval.terms.ntk.quadratic import half_sample_ntk, quadratic_form
from mixval.terms.ntk.residual import residual


def measured_ntk(job: MeasureJob, stored: Mapping[str, np.ndarray]) -> Measured:
    """The term over both parts together, with the rows of its gradient sample, from the tensors of the Gram matrix."""
    theta, switches = stored["theta"], job.ntk
    residuals = residual(stored["outputs"], stored["probabilities"], switches.residual)
    form = quadratic_form(theta, residuals, switches.damping, switches.damping_mode, switches.n_blocks)
    n = len(residuals)
    used = min(n, 2 * job.value.half_sample_rows)
    masks = half_sample_masks(job, stored["keys"][:used], stored["is_real"][:used].astype(bool))
    replicates = half_sample_ntk(
        theta[:used, :used], residuals[:used], masks, switches.damping, switches.damping_mode, switches.n_blocks
    )
    shifts = own_deviations(replicates, masks) * np.sqrt(used / n)
    diagnostics = asdict(form) | {"method": switches.method, "output": switches.output, "residual": switches.residual}
    return Measured(form.term, shifts, n, None, diagnostics)
