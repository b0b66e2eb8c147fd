"""The NTK term of one contributor from its committed Gram matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Measured, multipliers
from mixval.terms.ntk.quadratic import ntk_moves, quadratic_form
from mixval.terms.ntk.residual import residual
from mixval.terms.replicates import deviations, effects_of


def measured_ntk(job: MeasureJob, stored: Mapping[str, np.ndarray]) -> Measured:
    """The term over both parts together, with the rows of its gradient sample, from the tensors of the Gram matrix."""
    theta, switches = stored["theta"], job.ntk
    residuals = residual(stored["outputs"], stored["probabilities"], switches.residual)
    form = quadratic_form(theta, residuals, switches.damping, switches.damping_mode, switches.n_blocks)
    n = len(residuals)
    used = min(n, job.value.replicate_rows)
    # The same lambda for fewer rows: it is that of the whole matrix.
    moves = ntk_moves(theta[:used, :used], residuals[:used], form.damping, "absolute", switches.n_blocks)
    effects = effects_of(moves, multipliers(job, stored["keys"][:used]), stored["is_real"][:used].astype(bool))
    shifts = deviations([effects.scaled(np.sqrt(used / n))])
    diagnostics = asdict(form) | {"method": switches.method, "output": switches.output, "residual": switches.residual}
    return Measured(form.term, shifts, n, None, diagnostics)
