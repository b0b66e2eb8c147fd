"""The game of contributors whose value is the risk, from their committed summaries and T's sketch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixval.stages.jobs import MeasureJob
from mixval.stages.summaries import Summary, read_summary, summary_ref
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
        _add(gram[place], cross[place], job, summary)
    cross /= judged.judge.unit
    admitted = np.array([job.n_real + job.n_synthetic for job in jobs], dtype=np.int64)
    return RiskGame(RiskSums(admitted, measured, gram, cross), judged.features, judged.judge, target.risk_damping)


def _add(gram: np.ndarray, cross: np.ndarray, job: MeasureJob, summary: Summary) -> None:
    """One contributor's sums, each measured row standing for as many as were admitted for it."""
    admitted = {"real": job.n_real, "synthetic": job.n_synthetic}
    for part, one in summary.items():
        weight, sums = admitted[part] / one.n, one.gradients
        gram += (weight * sums.gram).astype(np.float32)
        cross += weight * sums.responses
