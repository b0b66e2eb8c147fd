"""Logistic regression on frozen features, fitted to a contributor's rows, evaluated on T (Alain and Bengio, arXiv
1610.01644).
"""

from __future__ import annotations

import numpy as np

from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.inputs import Inputs, Labels
from mixval.evidence.baselines.supervised import Metric, values_on_target
from mixval.terms.arrays import Floats

PENALTY = 1.0
"""C of scikit-learn: one over the strength of the squared penalty, relative to a summed loss."""
MOST_STEPS = 2000


def linear_probe(inputs: Inputs, metric: Metric) -> Floats:
    """(K,) minus cross-entropies on T, nats, or accuracies."""
    passes, labels = inputs.passes(), inputs.labels()

    def predict(k: int) -> tuple[Floats, float]:
        own = labels.contributors[k]
        found = probabilities(passes.contributors[k].features, own, passes.target.features, inputs.n_classes)
        return found, len(own)

    return values_on_target(inputs, predict, metric)


def probabilities(features: Floats, labels: Labels, of_target: Floats, n_classes: int) -> Floats:
    """(M, C) probabilities of T's rows; classes that the contributor lacks have none. One class alone has all of it."""
    found = np.zeros((len(of_target), n_classes))
    seen = np.unique(labels)
    if len(seen) == 1:
        found[:, seen[0]] = 1.0
        return found
    linear = optional("sklearn.linear_model")
    centre, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    model = linear.LogisticRegression(C=PENALTY, max_iter=MOST_STEPS).fit((features - centre) / scale, labels)
    found[:, model.classes_] = model.predict_proba((of_target - centre) / scale)
    return found
