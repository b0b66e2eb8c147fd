"""Mixtures of one contributor's parts from its exact kernel, as from sums: a factor of the kernel takes the place of a sketch.

    Theta = V S V',      Phi = V S^(1/2) (n, r),      Phi_T = Theta_TS V S^(-1/2) (m, r)

Phi Phi' and Phi_T Phi' are the kernel again, up to rounding, and outputs on T depend on nothing else of T's gradients. Kernels
between contributors are not measured, so several together have no values.
"""

from __future__ import annotations

import numpy as np

from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.stages.gradients import gram_ref
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import target_multipliers
from mixval.stages.routes.base import rows_drawn
from mixval.stages.statistics import most_kept
from mixval.stages.target_gradients import objective_of
from mixval.stages.weighed import RankedJobs, mixed_parts
from mixval.terms.arrays import Floats
from mixval.terms.ntk.row_sums import RowSums
from mixval.terms.ntk.target_metrics import one_hot
from mixval.valuation.mixtures import Mixtures
from mixval.valuation.players import TargetSide

LEAST_EIGENVALUE = 1e-10
"""Of the largest one: smaller ones are rounding, far below any damping."""


def has_all_gradients(job: MeasureJob) -> bool:
    """Whether the value is of the rows in the kernel alone. Else it is scaled to rows without gradients, of which the parts
    have no such value."""
    n = job.n_real + job.n_synthetic
    return not job.values_rows_read or rows_drawn(n, job.ntk.sample) >= rows_drawn(n, job.sample)


def exact_mixtures(work: RankedJobs) -> Mixtures:
    """Of one contributor's committed Gram blocks."""
    job, target = work.jobs[0], work.target
    stored = target.store.read_tensors(gram_ref(job, target))
    objective = objective_of(job, stored, np.sqrt(np.maximum(stored["target_squares"], 0.0)), "target_")
    own, of_target = kernel_features(stored["theta"], stored["theta_ts"])
    residual, n = 1 - stored["probabilities"].astype(np.float64), len(own)
    if objective.labels is None:
        labels, counts = np.full(n, -1, dtype=np.int64), stored["tokens"].astype(np.float64)
        responses = (residual * counts)[:, None]
    else:
        labels, counts = stored["labels"].astype(np.int64), np.ones(n)
        responses = one_hot(labels, objective.n_classes)
    keys, is_real, sums = stored["keys"].astype(np.uint64), stored["is_real"].astype(bool), dict[str, RowSums]()
    for part, chosen in ((REAL, is_real), (SYNTHETIC, ~is_real)):
        by_row = (keys, own, residual, responses, labels, counts)
        sums[part] = RowSums.of(most_kept(job), *(rows[chosen] for rows in by_row))
    parts = mixed_parts(job, sums, dict.fromkeys(sums, 1.0), objective, work.looked_at)
    drawn = target_multipliers(target, stored["target_keys"].astype(np.uint64))
    return Mixtures(parts, TargetSide(of_target, objective, drawn, job.regression_damping))


def kernel_features(theta: Floats, theta_ts: Floats) -> tuple[Floats, Floats]:
    """(n, r) and (m, r) features whose inner products are the kernels (n, n) and (m, n)."""
    sizes, vectors = np.linalg.eigh(theta)
    held = sizes > LEAST_EIGENVALUE * max(float(sizes[-1]), 0.0)
    roots, basis = np.sqrt(sizes[held]), vectors[:, held]
    return basis * roots, theta_ts @ basis / roots
