"""Kernel ridge regression on raw inputs, no backbone at all: Gaussian on pixels, linear on TF-IDF vectors.

Letters: N rows of a contributor; M of T; C classes; Y one-hot labels. F = k(T,S) (k(S,S) + lambda I)^-1 Y, and the value is
a metric of F on T (`mixval/terms/ntk/target_metrics.py`): minus the cross-entropy, one scale fitted to T, or the accuracy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixval.config.tasks import for_modality, spec_of
from mixval.evidence.baselines.inputs import Inputs, Sides
from mixval.evidence.baselines.supervised import Metric
from mixval.terms.arrays import Floats
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from mixval.terms.discrepancy.kernel import make_kernel
from mixval.terms.ntk.target_metrics import one_hot, target_metrics_exact

DAMPING = 0.01
"""lambda, relative to the mean diagonal of k, which is 1 in both cases."""


def raw_kernels(inputs: Inputs) -> tuple[Any, Sides[Any]]:
    """k as a function of two sets of raw inputs, and these for all contributors and T.

    Images: exp(-|x - y|^2 / (2 s^2)) on pixels, s the median distance within T. Texts: the cosine of TF-IDF vectors.
    """
    return for_modality({"image": _of_pixels, "text": _of_words}, spec_of(inputs.task), "raw inputs to compare")(inputs)


def _of_pixels(inputs: Inputs) -> tuple[Any, Sides[Any]]:
    pixels = inputs.pixels()
    kernel = make_kernel(pixels.target, [median_bandwidth(pixels.target)], "mean", 512)
    return lambda x, y: kernel.matrix(kernel.centred(x), kernel.centred(y)), pixels


def _of_words(inputs: Inputs) -> tuple[Any, Sides[Any]]:
    return lambda x, y: np.asarray((x @ y.T).todense(), dtype=np.float64), inputs.word_counts()


def raw_ridge(inputs: Inputs, metric: Metric) -> Floats:
    """(K,) minus cross-entropies on T, nats, or accuracies."""
    (kernel, raw), labels = raw_kernels(inputs), inputs.labels()
    values = []
    for rows, own in zip(raw.contributors, labels.contributors, strict=True):
        responses = one_hot(own, inputs.n_classes)
        on_target = target_metrics_exact(kernel(rows, rows), kernel(raw.target, rows), responses, labels.target, DAMPING)
        values.append(on_target.accuracy if metric == "accuracy" else -on_target.cross_entropy)
    return np.array(values)
