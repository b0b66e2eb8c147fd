"""The loss term of one contributor from its committed pass."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Measured, Part, mixed_replicates, multipliers, parts_with_rows
from mixval.terms.loss.mean import LossEstimate, estimate_loss, loss_moves
from mixval.terms.parts import combine_parts, combine_variances
from mixval.terms.replicates import Effects, deviations


def measured_loss(job: MeasureJob, forward: Mapping[str, np.ndarray]) -> Measured:
    """L(S1) and L(S2) over the sampled rows, and both by the parts' shares."""
    parts: dict[str, LossEstimate] = {}
    shifts: dict[str, Floats] = {}
    is_real = forward["is_real"].astype(bool)
    drawn = multipliers(job, forward["keys"])
    for part, rows in parts_with_rows(is_real):
        parts[part] = estimate_loss(forward["losses"][rows], forward["counts"][rows], job.loss.average)
        moves = loss_moves(forward["losses"][rows], forward["counts"][rows], job.loss.average)
        error = parts[part].standard_error
        shifts[part] = deviations([Effects(moves, drawn[:, rows], len(moves) - 1.0)], math.nan if error is None else error)
    variances = {part: (one.standard_error or 0.0) ** 2 for part, one in parts.items()}
    measured = Measured(
        combine_parts({part: one.mean for part, one in parts.items()}, job.n_real, job.n_synthetic),
        mixed_replicates(shifts, job),
        len(is_real),
        float(np.sqrt(combine_variances(variances, job.n_real, job.n_synthetic))),
        {"average": job.loss.average},
    )
    for part, one in parts.items():
        numbers = {"total": one.total, "tokens": one.total_count}
        measured.parts[part] = Part(one.mean, one.standard_error, one.n, numbers, shifts[part])
    return measured
