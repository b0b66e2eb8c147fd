"""The game of contributors whose value is by NTK regression, from their committed sufficient statistics and T's sketch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mixval.contracts.parts import REAL
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import multipliers, target_multipliers
from mixval.stages.regression_value import responses_of
from mixval.stages.statistics import PartStatistics, read_statistics, rows_represented, statistics_ref
from mixval.stages.target_gradients import read_target_gradients
from mixval.terms.ntk.objective import TargetObjective
from mixval.valuation.regression_coalitions import EffectRows, RegressionGame, RegressionSums, Spreads

LEAST_LOOKED_AT = 64
"""Rows of a contributor whose effects are taken, if it has as many, however many contributors share `value.replicate_rows`."""


def regression_game(jobs: Sequence[MeasureJob], target: MeasureJob) -> RegressionGame:
    """Of these contributors, at least one. Sufficient statistics are read one by one: of each, a Gram matrix in float32
    stays in memory."""
    target_gradients = read_target_gradients(target)
    k, q = len(jobs), target_gradients.features.shape[1]
    gram, cross = np.zeros((k, q, q), dtype=np.float32), np.zeros((k, q, target_gradients.objective.n_classes))
    measured, rows = np.zeros(k, dtype=np.int64), list[EffectRows]()
    most = max(target.value.replicate_rows // k, LEAST_LOOKED_AT)
    for place, job in enumerate(jobs):
        by_part = read_statistics(job, statistics_ref(job, target))
        measured[place] = sum(part.n for part in by_part.values())
        weights = rows_represented(job, by_part)
        for part, one in by_part.items():
            gram[place] += (weights[part] * one.gradients.gram).astype(np.float32)
            cross[place] += weights[part] * one.gradients.responses
        if job.value.replicates:
            rows.append(_looked_at(job, by_part, target_gradients.objective, most))
    cross /= target_gradients.objective.unit
    admitted = np.array([job.n_real + job.n_synthetic for job in jobs], dtype=np.int64)
    return RegressionGame(
        RegressionSums(admitted, measured, gram, cross),
        target_gradients.features,
        target_gradients.objective,
        target.regression_damping,
        Spreads(rows, target_multipliers(target, target_gradients.keys)) if rows else None,
    )


def _looked_at(job: MeasureJob, by_part: PartStatistics, objective: TargetObjective, most: int) -> EffectRows:
    """The first of a contributor's kept rows by key, `most` or a few more, in proportion to its parts."""
    n = sum(one.n for one in by_part.values())
    kept = {part: one.kept.first(math.ceil(most * one.n / n)) for part, one in by_part.items()}
    counts, weights = [len(one.keys) for one in kept.values()], rows_represented(job, by_part)
    return EffectRows(
        features=np.concatenate([one.features for one in kept.values()]),
        responses=responses_of(list(kept.values()), objective),
        multipliers=multipliers(job, np.concatenate([one.keys for one in kept.values()])),
        weights=np.repeat([weights[part] for part in kept], counts),
        stand_for=np.repeat([by_part[part].n / max(len(one.keys), 1) for part, one in kept.items()], counts),
        is_real=np.repeat([part == REAL for part in kept], counts),
    )
