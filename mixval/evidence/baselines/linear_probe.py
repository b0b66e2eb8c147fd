"""Logistic regression on frozen features, fitted to a contributor's rows, evaluated on T (Alain and Bengio, arXiv
1610.01644). Features are centred and scaled by the contributor's own rows; `logistic.py` chooses the penalty.
"""

from __future__ import annotations

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.logistic import probabilities
from mixval.evidence.baselines.supervised import Metric, values_on_target
from mixval.terms.arrays import Floats


def linear_probe(inputs: Inputs, metric: Metric) -> Floats:
    """(K,) minus cross-entropies on T, nats, or accuracies."""
    passes, labels = inputs.passes(), inputs.labels()

    def predict(k: int) -> tuple[Floats, float]:
        own, of_target = standardised(passes.contributors[k].features, passes.target.features)
        return probabilities(own, labels.contributors[k], of_target, inputs.n_classes), len(own)

    return values_on_target(inputs, predict, metric)


def standardised(features: Floats, of_target: Floats) -> tuple[Floats, Floats]:
    """Both with the mean and standard deviation of the first, a feature; one that is constant there keeps its scale."""
    centre, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    return (features - centre) / scale, (of_target - centre) / scale
