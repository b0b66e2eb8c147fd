"""NTK-regression: what training on a contributor, made linear at the initial weights, would do for T.

Classification: minus the cross-entropy on T, or the accuracy, of ridge regression on one kernel for all classes
(`mixval/terms/ntk/risk.py`), lambda centred and T's outputs over `judge.lengths` (`mixval/terms/ntk/judge.py`). Causal LMs: the
gain in the mean log-probability of T's answer tokens, residual 1 - p times a row's answer tokens over those of a row of T
(`mixval/terms/ntk/gain.py`), less what the way costs (`mixval/terms/ntk/trained_gain.py`), or to first order. Sketched
gradients, all rows.
"""

from __future__ import annotations

import numpy as np

from mixval.config.tasks import LABEL_DAMPING, TOKEN_DAMPING
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.supervised import Metric
from mixval.terms.arrays import Floats
from mixval.terms.ntk.gain import LogProbabilityGain, gain_from_statistics, log_probability_gain
from mixval.terms.ntk.judge import lengths
from mixval.terms.ntk.risk import RegressionRisk, one_hot, risk_exact, risk_from_statistics
from mixval.terms.ntk.statistics import GradientStatistics
from mixval.terms.ntk.trained_gain import values_of_gains

DAMPING, GAIN_DAMPING = LABEL_DAMPING, TOKEN_DAMPING
"""Of classification, centred, and of causal LMs: the defaults of `value.risk_damping`."""


def tangent_regression(inputs: Inputs, seed: int, metric: Metric) -> Floats:
    """(K,) minus cross-entropies or gains, in nats, or accuracies."""
    if inputs.has_labels:
        sketches = inputs.gradients("mix", seed)
        of_target = sketches.target.astype(np.float64)
        labels = inputs.labels()
        risks = [
            _risk(rows.astype(np.float64), one_hot(own, inputs.n_classes), of_target, labels.target)
            for rows, own in zip(sketches.contributors, labels.contributors, strict=True)
        ]
        return np.array([risk.accuracy if metric == "accuracy" else -risk.cross_entropy for risk in risks])
    return values_of_gains(_gains(inputs, seed))


def first_order_gain(inputs: Inputs, seed: int) -> Floats:
    """(K,) gains of causal LMs to first order, in nats."""
    return np.array([one.gain for one in _gains(inputs, seed)])


def _gains(inputs: Inputs, seed: int) -> list[LogProbabilityGain]:
    sketches, passes = inputs.gradients("mix", seed), inputs.passes()
    of_target, counts = sketches.target.astype(np.float64), passes.target.counts
    residuals = [(1 - one.probabilities) * one.counts / counts.mean() for one in passes.contributors]
    rows_of = [rows.astype(np.float64) for rows in sketches.contributors]
    return [_gain(rows, r, of_target, counts) for rows, r in zip(rows_of, residuals, strict=True)]


def _risk(rows: Floats, responses: Floats, of_target: Floats, labels: np.ndarray) -> RegressionRisk:
    """The same number either way; the smaller matrix is solved."""
    norms = lengths(of_target)
    if len(rows) <= rows.shape[1]:
        return risk_exact(rows @ rows.T, of_target @ rows.T, responses, labels, DAMPING, "centred", norms=norms)
    statistics = GradientStatistics.of(rows, np.zeros(len(rows)), responses)
    return risk_from_statistics(statistics, of_target, labels, DAMPING, "centred", norms=norms)


def _gain(rows: Floats, residual: Floats, of_target: Floats, counts: Floats) -> LogProbabilityGain:
    if len(rows) <= rows.shape[1]:
        return log_probability_gain(rows @ rows.T, of_target @ rows.T, residual, GAIN_DAMPING, tokens_t=counts)
    return gain_from_statistics(GradientStatistics.of(rows, residual), of_target, GAIN_DAMPING, tokens_t=counts)
