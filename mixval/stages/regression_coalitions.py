"""The game of contributors whose value is by NTK regression, from their committed sufficient statistics and T's sketch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixval.stages.jobs import MeasureJob
from mixval.stages.statistics import read_statistics, rows_represented, statistics_ref
from mixval.stages.target_gradients import read_target_gradients
from mixval.valuation.regression_coalitions import RegressionGame, RegressionSums


def regression_game(jobs: Sequence[MeasureJob], target: MeasureJob) -> RegressionGame:
    """Of these contributors, at least one. Sufficient statistics are read one by one: of each, a Gram matrix in float32
    stays in memory."""
    target_gradients = read_target_gradients(target)
    k, q = len(jobs), target_gradients.features.shape[1]
    gram, cross = np.zeros((k, q, q), dtype=np.float32), np.zeros((k, q, target_gradients.objective.n_classes))
    measured = np.zeros(k, dtype=np.int64)
    for place, job in enumerate(jobs):
        by_part = read_statistics(job, statistics_ref(job, target))
        measured[place] = sum(part.n for part in by_part.values())
        weights = rows_represented(job, by_part)
        for part, one in by_part.items():
            gram[place] += (weights[part] * one.gradients.gram).astype(np.float32)
            cross[place] += weights[part] * one.gradients.responses
    cross /= target_gradients.objective.unit
    admitted = np.array([job.n_real + job.n_synthetic for job in jobs], dtype=np.int64)
    return RegressionGame(
        RegressionSums(admitted, measured, gram, cross),
        target_gradients.features,
        target_gradients.objective,
        target.regression_damping,
    )
