"""The discrepancy term of one contributor from its committed pass and the target's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mixval.contracts.results import PARTS
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Measured, half_sample_masks, mixed_replicates, own_deviations, parts_with_rows
from mixval.stages.target import target_features, target_kernel
from mixval.terms.discrepancy.mmd import MmdEstimate, measure_part
from mixval.terms.parts import combine_parts


def measured_discrepancy(job: MeasureJob, target: MeasureJob, forward: Mapping[str, np.ndarray]) -> Measured:
    """D(T, S) by part, from the features of the sampled rows."""
    switches = job.discrepancy
    keys, features = target_features(target)
    kernel = target_kernel(target, switches, half_sample_masks(job, keys, np.ones(len(keys), dtype=bool)), features)
    is_real = forward["is_real"].astype(bool)
    masks = half_sample_masks(job, forward["keys"], is_real)
    split = parts_with_rows(is_real) if switches.parts == "split" else [("all", np.ones(len(is_real), dtype=bool))]
    estimates: dict[str, MmdEstimate] = {}
    replicates: dict[str, Floats] = {}
    for part, rows in split:
        estimates[part], replicates[part] = measure_part(
            kernel, forward["features"][rows], switches.estimator, switches.scale, masks[:, rows]
        )
    pooled = estimates.get("all")
    by_part = {part: one.value for part, one in estimates.items()}
    value = pooled.value if pooled else combine_parts(by_part, job.n_real, job.n_synthetic)
    mixed = replicates["all"] if pooled else mixed_replicates(replicates, job)
    diagnostics = {
        "estimator": switches.estimator,
        "scale": switches.scale,
        "bandwidths": list(kernel.kernel.bandwidths),
        "target_rows": len(features),
        "squared": pooled.squared if pooled else None,
    }
    measured = Measured(value, own_deviations(mixed, masks), len(is_real), None, diagnostics)
    for part, one in estimates.items():
        if part in PARTS:
            spread = own_deviations(replicates[part], masks)
            error = float(spread.std(ddof=1)) if len(spread) > 1 else None
            measured.parts[part] = (one.value, error, one.n, {"squared": one.squared, "squared_se": one.standard_error})
    return measured
