"""What a regression predicts for T, from blocks or from sums, in one call each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mixval.terms.arrays import ArrayLike, Floats
from mixval.terms.ntk.gain import LogProbabilityGain, gain_of
from mixval.terms.ntk.regression import feature_regression, kernel_regression
from mixval.terms.ntk.statistics import GradientStatistics
from mixval.terms.ntk.target_metrics import TargetMetrics, target_metrics


def log_probability_gain(
    theta_ss: Floats, theta_ts: Floats, residual: Floats, damping: float, tokens_t: ArrayLike | None = None
) -> LogProbabilityGain:
    """The gain on T from exact Gram blocks."""
    return gain_of(kernel_regression(theta_ss, theta_ts, np.asarray(residual)[:, None]).predict(damping), tokens_t)


def gain_from_statistics(statistics: GradientStatistics, features_t: Floats, damping: float) -> LogProbabilityGain:
    """The gain on T from sums over S's rows and their residual."""
    regression = feature_regression(statistics.gram, statistics.cross[:, None], statistics.n, features_t)
    return gain_of(regression.predict(damping))


def target_metrics_from_statistics(
    statistics: GradientStatistics, features_t: Floats, labels_t: npt.NDArray[np.int64], damping: float
) -> TargetMetrics:
    """The regression value on T from sums over S's rows and their labels."""
    regression = feature_regression(statistics.gram, statistics.responses, statistics.n, features_t)
    return target_metrics(regression.predict(damping), labels_t)
