"""Metrics on T of classification by NTK regression on S: accuracy, squared error and cross-entropy.

Letters: n rows of S; m rows of T; C classes; Y one-hot labels; F (m, C) what `regression.py` predicts, from one kernel that
all classes share (the gradient of a random mix of the logits, `mixval/models/outputs.py`).

    accuracy         share of rows whose largest F is the label's; c equal ones count 1 / c
    squared error    mean of |F - Y|^2
    cross-entropy    mean of -log softmax(s F)_label in nats, s >= 0 one scale for T (`temperature.py`); with `norms` l of T's
                     rows, of s F / l (`objective.py`)

F is a regression on 0 and 1: as logits it is far too small, by a factor that depends on S, hence the scale s. It is fitted on
T: one fitted on S, by leaving rows out, is overconfident where S lacks classes or carries wrong labels.

A constant subtracted from all of Y, such as 1 / C, shifts F alike for all classes and changes neither accuracy nor
cross-entropy. The metrics are compared as values of contributors in docs/laboratory.md.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats
from mixval.terms.ntk.regression import Mode, Prediction, kernel_regression
from mixval.terms.ntk.temperature import left_out_cross_entropy, per_norm

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowMetrics:
    """Metrics of each row of T."""

    accuracy: Floats
    """(m,) 0 to 1."""
    squared_error: Floats
    """(m,)."""
    cross_entropy: Floats
    """(m,) nats."""
    scale: float
    """s that fits all rows of T best."""


@dataclass(frozen=True)
class TargetMetrics:
    """Metrics on T with the standard errors that T's finite number of rows leaves, and the regression's diagnostics."""

    accuracy: float
    """0 to 1."""
    squared_error: float
    cross_entropy: float
    """Nats. log C where F is 0."""
    accuracy_error: float
    """Standard error; nan for one row."""
    squared_error_error: float
    cross_entropy_error: float
    scale: float
    """s, the inverse temperature of the softmax over F."""
    n: int
    """Rows of S."""
    m: int
    """Rows of T."""
    damping: float
    """lambda as added to the diagonal, in units of Theta."""
    effective_rank: float
    """See `regression.Prediction`."""
    residual_norm: float
    """See `regression.Prediction`."""


def one_hot(labels: ArrayLike, n_classes: int) -> Floats:
    """(n, C) 0 and 1. Raises ShapeError for labels that are no class indices."""
    return np.eye(n_classes)[_class_indices(labels, n_classes)]


def target_metrics_exact(
    theta_ss: ArrayLike,  # (n, n)
    theta_ts: ArrayLike,  # (m, n)
    responses: ArrayLike,  # (n, C): Y
    labels_t: ArrayLike,  # (m,) class indices
    damping: float,
    mode: Mode = "relative",
    norms: Floats | None = None,  # (m,): l of T
) -> TargetMetrics:
    """The metrics of S on T from exact Gram blocks.

    Raises ShapeError when they do not fit, and what `KernelRegression.predict` raises.
    """
    prediction = kernel_regression(theta_ss, theta_ts, responses).predict(damping, mode)
    return target_metrics(prediction, labels_t, norms)


def target_metrics(prediction: Prediction, labels_t: ArrayLike, norms: Floats | None = None) -> TargetMetrics:
    """The metrics of what a regression predicts on T. Raises ShapeError when labels do not fit."""
    outputs = prediction.values
    rows = row_metrics(outputs, labels_t, norms)
    return TargetMetrics(
        accuracy=float(rows.accuracy.mean()),
        squared_error=float(rows.squared_error.mean()),
        cross_entropy=float(rows.cross_entropy.mean()),
        accuracy_error=_standard_error(rows.accuracy),
        squared_error_error=_standard_error(rows.squared_error),
        cross_entropy_error=_standard_error(rows.cross_entropy),
        scale=rows.scale,
        n=prediction.n,
        m=len(outputs),
        damping=prediction.damping,
        effective_rank=prediction.effective_rank,
        residual_norm=prediction.residual_norm,
    )


def row_metrics(outputs: Floats, labels_t: ArrayLike, norms: Floats | None = None) -> RowMetrics:  # (m, C) F; (m,)
    """Metrics of each row of T. Raises ShapeError for labels that do not pair up or are no class indices."""
    m, n_classes = outputs.shape
    labels = _class_indices(labels_t, n_classes)
    if len(labels) != m or n_classes < 2:
        raise ShapeError(
            f"expected (m, C >= 2) outputs and m labels, found {outputs.shape} and {len(labels)}. Use the same rows."
        )
    is_largest = outputs == outputs.max(1, keepdims=True)
    accuracy = is_largest[np.arange(m), labels] / is_largest.sum(1)
    squared = ((outputs - np.eye(n_classes)[labels]) ** 2).sum(1)
    return RowMetrics(accuracy, squared, *left_out_cross_entropy(per_norm(outputs, norms), labels))


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else math.nan


def _class_indices(labels: ArrayLike, n_classes: int) -> Labels:
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu" or ((array < 0) | (array >= n_classes)).any():
        raise ShapeError(
            f"labels: expected (N,) whole numbers from 0 to {n_classes - 1}, found {array.dtype} {array.shape}. Give class "
            f"indices, as `Backbone.targets` does."
        )
    if array.size == 0:
        raise NumericalError("labels: expected at least one row, found none. Leave empty contributors out.")
    return array.astype(np.int64)
