"""Values of a small model, fitted to a contributor's rows alone, by its predictions of the target's labels.

Letters: N rows of a contributor; M of T; C classes. Probabilities P (M, C) from n rows are shrunk towards uniform by one
row a class, (n P + 1) / (n + C), so that a class without rows costs log(n + C) and not infinity (Laplace). Their
cross-entropy on T is taken at the one temperature that fits T best (`mixval/terms/ntk/temperature.py`), as for our own
value: a fit to wrong or shifted labels is more certain of itself than it may be, by a factor that says little of its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from mixval.evidence.baselines.inputs import Inputs, Labels
from mixval.terms.arrays import Floats
from mixval.terms.ntk.temperature import left_out_cross_entropy

Metric = Literal["cross-entropy", "accuracy"]
Predict = Callable[[int], tuple[Floats, float]]
"""From a contributor's position to (M, C) probabilities and the number of rows that they rest on."""


def values_on_target(inputs: Inputs, predict: Predict, metric: Metric) -> Floats:
    """(K,) accuracies on T, or negated cross-entropies in nats at T's temperature."""
    labels = inputs.labels().target
    value = accuracy if metric == "accuracy" else tempered
    return np.array([value(*predict(k), labels) for k in range(len(inputs.contributors))])


def accuracy(probabilities: Floats, _n_rows: float, labels: Labels) -> float:
    """0 to 1, ties counted in shares."""
    is_largest = probabilities == probabilities.max(axis=1, keepdims=True)
    return float((is_largest[np.arange(len(labels)), labels] / is_largest.sum(axis=1)).mean())


def log_likelihood(probabilities: Floats, n_rows: float, labels: Labels) -> float:
    """Minus the cross-entropy of the smoothed probabilities, nats."""
    return float(_log_smoothed(probabilities, n_rows)[np.arange(len(labels)), labels].mean())


def tempered(probabilities: Floats, n_rows: float, labels: Labels) -> float:
    """The same at the temperature that fits, each row at that of the others."""
    return -float(left_out_cross_entropy(_log_smoothed(probabilities, n_rows), labels)[0].mean())


def _log_smoothed(probabilities: Floats, n_rows: float) -> Floats:
    logs: Floats = np.log((n_rows * probabilities + 1) / (n_rows + probabilities.shape[1]))
    return logs
