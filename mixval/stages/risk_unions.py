"""The game of contributors whose value is the risk, from their committed summaries and T's sketch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixval.stages.jobs import MeasureJob
from mixval.stages.summaries import read_summary, rows_stood_for, summary_ref
from mixval.stages.target_gradients import read_target_gradients
from mixval.valuation.risk_unions import RiskGame, RiskSums


def risk_game(jobs: Sequence[MeasureJob], target: MeasureJob) -> RiskGame:
    """Of these contributors, at least one. Summaries are read one by one: of each, a Gram matrix in float32 is kept."""
    judged = read_target_gradients(target)
    k, q = len(jobs), judged.features.shape[1]
    gram, cross = np.zeros((k, q, q), dtype=np.float32), np.zeros((k, q, judged.judge.n_classes))
    measured = np.zeros(k, dtype=np.int64)
    for place, job in enumerate(jobs):
        summary = read_summary(job, summary_ref(job, target))
        measured[place] = sum(part.n for part in summary.values())
        weights = rows_stood_for(job, summary)
        for part, one in summary.items():
            gram[place] += (weights[part] * one.gradients.gram).astype(np.float32)
            cross[place] += weights[part] * one.gradients.responses
    cross /= judged.judge.unit
    admitted = np.array([job.n_real + job.n_synthetic for job in jobs], dtype=np.int64)
    return RiskGame(RiskSums(admitted, measured, gram, cross), judged.features, judged.judge, target.risk_damping)
