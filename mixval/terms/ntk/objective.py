"""The value on T, in nats, higher is better, of outputs predicted for T by regression on S (`regression.py`).

Letters: m rows of T; C responses; F (m, C) the predicted change of T's outputs by training on S, linearised.

    labels    minus the cross-entropy: mean over rows of log softmax(s F / l)_label, s as in `temperature.py`, l the length of
              the row's gradient less T's mean gradient, a scale that all classes of a row share. For no rows of S: -log C.
              Where s is negative: as far below -log C as the reversed outputs are above it
    tokens    causal LM, C = 1: the gain in mean log-probability, sum of t F over sum of t, t the rows' answer tokens. For no
              rows of S: 0

Both are means over rows of T. Other forms are compared in docs/laboratory.md.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mixval.errors import ShapeError
from mixval.terms.arrays import Floats
from mixval.terms.ntk.gain import gain_of
from mixval.terms.ntk.linearised import Linearised, fitted_gain, linear_gain
from mixval.terms.ntk.regression import Mode, Prediction
from mixval.terms.ntk.target_metrics import target_metrics
from mixval.terms.ntk.temperature import left_out_cross_entropy, per_norm

Measure = Literal["cross-entropy", "log-probability-gain"]


@dataclass(frozen=True)
class TargetObjective:
    """T's labels or answer tokens, one of the two. Raises ShapeError for both, none, or labels without at least two classes."""

    labels: npt.NDArray[np.int64] | None = None
    """(m,) class indices."""
    tokens: Floats | None = None
    """(m,) answer tokens, at least 1 each."""
    n_classes: int = 1
    """C."""
    norms: Floats | None = None
    """(m,) l of T's rows, with labels only. None: 1."""

    def __post_init__(self) -> None:
        """Refuse an objective without exactly one of labels and tokens, or with norms of other rows."""
        if (self.labels is None) == (self.tokens is None) or (self.labels is not None) != (self.n_classes > 1):
            raise ShapeError(
                f"an objective on T takes labels of at least two classes or answer tokens, found labels: "
                f"{self.labels is not None}, tokens: {self.tokens is not None} and {self.n_classes} classes. Give one of the "
                f"two."
            )
        if self.norms is not None and (self.labels is None or self.norms.shape != self.labels.shape):
            raise ShapeError(f"expected the gradient norms of T's labelled rows, found {self.norms.shape}. Use the same rows.")

    @property
    def measure(self) -> Measure:
        """The quantity behind the value; of a cross-entropy the value is the negative."""
        return "log-probability-gain" if self.labels is None else "cross-entropy"

    @property
    def empty_value(self) -> float:
        """The value of no rows, F = 0."""
        return 0.0 if self.labels is None else -math.log(self.n_classes)

    @property
    def mode(self) -> Mode:
        """The reference of lambda: gradients that all rows share help a causal LM, but separate no classes
        (`regression.py`).
        """
        return "relative" if self.labels is None else "centred"

    @property
    def unit(self) -> float:
        """What responses are divided by: T's mean answer tokens a row, since responses scale with the answer tokens of S's
        rows.
        """
        return 1.0 if self.tokens is None else float(self.tokens.mean())

    def value(self, outputs: Floats) -> float:  # (m, C) F
        """The value on all rows of T."""
        return float(np.average(self.row_values(outputs), weights=self.tokens))

    def error(self, differences: Floats) -> float:  # (m,) of rows of T between two predictions
        """The standard error, by the sampling of T's rows, of the difference between the values of two predictions."""
        weights = np.ones(len(differences)) if self.tokens is None else self.tokens
        if len(differences) < 2:
            return math.inf
        spread = weights * (differences - np.average(differences, weights=weights))
        return float(np.sqrt((spread @ spread) * len(spread) / (len(spread) - 1)) / weights.sum())

    def linearised(self, outputs: Floats) -> Linearised:  # (m, C) F
        """The value about these outputs."""
        if self.labels is None:
            return linear_gain(outputs, np.ones(len(outputs)) if self.tokens is None else self.tokens)
        return fitted_gain(per_norm(outputs, self.norms), self.labels, self.norms)

    def diagnostics(self, prediction: Prediction) -> dict[str, Any]:
        """Fields of `TargetMetrics` or `LogProbabilityGain`."""
        if self.labels is None:
            return asdict(gain_of(prediction, self.tokens))
        return asdict(target_metrics(prediction, self.labels, norms=self.norms))

    def row_values(self, outputs: Floats) -> Floats:
        """(m,) the value of single rows, in nats (a token, with tokens)."""
        if self.labels is None:
            return outputs[:, 0]
        return -left_out_cross_entropy(per_norm(outputs, self.norms), self.labels)[0]


def damping_excess(filled: float) -> float:
    """By how much a sketch raises lambda, relative, where the effective rank is this share of its features; infinity at 1.

    A sketch acts like the exact kernel with kappa = lambda / (1 - filled) (`sketched.py`).
    """
    return filled / (1 - filled) if filled < 1 else math.inf


def lengths(features: Floats) -> Floats:  # (m, q)
    """(m,) l, from the gradients' sketches."""
    return np.asarray(np.linalg.norm(features - features.mean(0), axis=1))


def squared_lengths(theta_tt: Floats) -> Floats:  # (m, m)
    """(m,) l squared, from Theta(T,T). Additive over groups of layers."""
    means = theta_tt.mean(1)
    return np.asarray(np.diag(theta_tt) - 2 * means + means.mean())
