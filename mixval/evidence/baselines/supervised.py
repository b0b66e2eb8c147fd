"""Values of a small model, fitted to a contributor's rows alone, by its predictions of the target's labels.

Letters: N rows of a contributor; M of T; C classes. Probabilities P (M, C) from n rows are shrunk towards uniform by one
row a class, (n P + 1) / (n + C), so that a class without rows costs log(n + C) and not infinity (Laplace).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from mixval.evidence.baselines.inputs import Inputs, Labels
from mixval.terms.arrays import Floats

Metric = Literal["cross-entropy", "accuracy"]
Predict = Callable[[int], tuple[Floats, float]]
"""From a contributor's position to (M, C) probabilities and the number of rows that they rest on."""


def values_on_target(inputs: Inputs, predict: Predict, metric: Metric) -> Floats:
    """(K,) accuracies on T, or negated cross-entropies in nats."""
    labels = inputs.labels().target
    return np.array([value_of(*predict(k), labels, metric) for k in range(len(inputs.contributors))])


def value_of(probabilities: Floats, n_rows: float, labels: Labels, metric: Metric) -> float:
    """Accuracy, ties counted in shares; or minus the cross-entropy of the smoothed probabilities, in nats."""
    at = np.arange(len(labels))
    if metric == "accuracy":
        is_largest = probabilities == probabilities.max(axis=1, keepdims=True)
        return float((is_largest[at, labels] / is_largest.sum(axis=1)).mean())
    smoothed = (n_rows * probabilities + 1) / (n_rows + probabilities.shape[1])
    return float(np.log(smoothed[at, labels]).mean())
