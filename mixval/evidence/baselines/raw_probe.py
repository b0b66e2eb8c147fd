"""Logistic regression on what an hour's script takes from raw rows, no backbone: HOG features of images, TF-IDF of texts.

Fitted to a contributor's rows, evaluated on T; `logistic.py` chooses the penalty. HOG features are centred and scaled by the
contributor's rows; TF-IDF vectors have length 1 and stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixval.config.tasks import for_modality, spec_of
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.linear_probe import standardised
from mixval.evidence.baselines.logistic import probabilities
from mixval.evidence.baselines.supervised import Metric, values_on_target
from mixval.terms.arrays import Floats


def raw_probe(inputs: Inputs, metric: Metric) -> Floats:
    """(K,) minus cross-entropies on T, nats, or accuracies."""
    pairs = for_modality({"image": _outlines, "text": _words}, spec_of(inputs.task), "raw rows to take features from")(inputs)
    labels = inputs.labels().contributors

    def predict(k: int) -> tuple[Floats, float]:
        own, of_target = pairs(k)
        return probabilities(own, labels[k], of_target, inputs.n_classes), len(labels[k])

    return values_on_target(inputs, predict, metric)


def _outlines(inputs: Inputs) -> Callable[[int], tuple[Any, Any]]:
    rows = inputs.outlines()
    return lambda k: standardised(rows.contributors[k], rows.target)


def _words(inputs: Inputs) -> Callable[[int], tuple[Any, Any]]:
    rows = inputs.word_counts()
    return lambda k: (rows.contributors[k], rows.target)
