"""The discrepancy term of one contributor from its committed pass and the target's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mixval.contracts.parts import PARTS
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Measured, Part, mixed_replicates, multipliers, parts_with_rows, spread_of
from mixval.stages.target import TESTED_ROWS, TargetSide, target_side
from mixval.terms.discrepancy.forms import Rows
from mixval.terms.discrepancy.mmd import MmdEstimate
from mixval.terms.discrepancy.permutation import permutation_test
from mixval.terms.parts import combine_parts


def measured_discrepancy(job: MeasureJob, target: MeasureJob, forward: Mapping[str, np.ndarray]) -> Measured:
    """D(T, S) by part, from the features of the sampled rows."""
    switches = job.discrepancy
    side = target_side(target, switches)
    is_real = forward["is_real"].astype(bool)
    drawn, keys = multipliers(job, forward["keys"]), forward["keys"].astype(np.uint64)
    features = side.compared(forward)
    split = parts_with_rows(is_real) if switches.parts == "split" else [("all", np.ones(len(is_real), dtype=bool))]
    estimates: dict[str, MmdEstimate] = {}
    shifts: dict[str, Floats] = {}
    found: dict[str, dict[str, Any]] = {}
    for part, rows in split:
        own = Rows(features[rows], keys[rows], drawn[:, rows])
        estimates[part], shifts[part] = side.against(own)
        found[part] = {"method": switches.method} | estimates[part].diagnostics() | _significance(job, side, own)
    measured = _term(job, side, estimates, shifts, len(is_real))
    measured.diagnostics |= found.get("all", {})
    for part in [part for part in PARTS if part in estimates]:
        one = estimates[part]
        measured.parts[part] = Part(one.value, spread_of(shifts[part]), one.n, found[part], shifts[part])
    return measured


def _term(
    job: MeasureJob,
    side: TargetSide,
    estimates: Mapping[str, MmdEstimate],
    shifts: Mapping[str, Floats],
    n: int,
) -> Measured:
    pooled = estimates.get("all")
    by_part = {part: one.value for part, one in estimates.items()}
    value = pooled.value if pooled else combine_parts(by_part, job.n_real, job.n_synthetic)
    mixed = shifts["all"] if pooled else mixed_replicates(shifts, job)
    diagnostics = {
        "method": job.discrepancy.method,
        "estimator": job.discrepancy.estimator,
        "scale": job.discrepancy.scale,
        "bandwidths": list(side.bandwidths),
        "target_rows": side.n,
        "target_repeated": side.has_repeated_rows,
        "label_distance": side.labels.distance if side.labels else None,
        "squared": None,
    }
    return Measured(value, mixed, n, None, diagnostics)


def _significance(job: MeasureJob, side: TargetSide, part: Rows) -> dict[str, Any]:
    """The p-value of the part against T, by the exact unbiased MMD whatever the method; nothing when none was asked for."""
    if job.discrepancy.permutations == 0:
        return {}
    # Rows come in the order of their keys, so the first ones are drawn at random.
    rows = part.features[:TESTED_ROWS]
    test = permutation_test(side.tested, rows, side.bandwidths, job.discrepancy.combine, job.discrepancy.permutations, job.seed)
    return {"p_value": test.p_value, "n_permutations": test.n_permutations, "tested_rows": [test.m, test.n]}
