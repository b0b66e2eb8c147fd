"""The loss term of one contributor from its committed pass."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Measured, half_sample_masks, mixed_replicates, parts_with_rows
from mixval.terms.half_samples import own_deviations
from mixval.terms.loss.mean import LossEstimate, estimate_loss, half_sample_losses
from mixval.terms.parts import combine_parts, combine_variances


def measured_loss(job: MeasureJob, forward: Mapping[str, np.ndarray]) -> Measured:
    """L(S1) and L(S2) over the sampled rows, and both by the parts' shares."""
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
