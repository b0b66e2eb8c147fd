"""Gain of a causal language model on T from training on S, linearised: the change of T's mean log-probability, in nats.

Letters: n rows of S; m rows of T; f(x) the mean over x's answer tokens of log p of the true token, g its gradient, Theta of
g; r (n,) the responses, the change of f wanted at each row of S; lambda as in `regression.py`.

    delta f(T) = Theta(T,S) (Theta(S,S) + lambda I)^-1 r = Phi_T (Phi'Phi + lambda I)^-1 Phi'r

    r = 1       descent on the mean loss of S itself, whose derivative in f is -1 everywhere, until each row has gained a nat
    r = 1 - p   smaller for rows that the model already predicts; p is the geometric mean of the answer tokens' probabilities
"""

import math
from dataclasses import dataclass

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, floats
from mixval.terms.ntk.regression import Prediction


@dataclass(frozen=True)
class LogProbabilityGain:
    """The predicted gain on T with the standard error that T's finite number of rows leaves, and diagnostics."""

    gain: float
    """Mean of delta f over T, in nats; above 0, training on S lowers T's loss."""
    gain_error: float
    """Standard error; nan for one row."""
    displacement: float
    """See `regression.Prediction`."""
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


def gain_of(prediction: Prediction, tokens_t: ArrayLike | None = None) -> LogProbabilityGain:
    """The gain on T that a regression predicts. Raises ShapeError or NumericalError for tokens that do not fit."""
    gains = prediction.values[:, 0]
    tokens = np.ones(gains.size) if tokens_t is None else floats("answer tokens of T", tokens_t, 1)
    if tokens.shape != gains.shape:
        raise ShapeError(f"expected a token count for each of {gains.size} rows of T, found {tokens.size}. Use the same rows.")
    if (tokens <= 0).any():
        raise NumericalError(f"{int((tokens <= 0).sum())} rows of T have no answer tokens. Leave them out.")
    mean = float(tokens @ gains / tokens.sum())
    # Of a ratio of means, by linearisation; the usual standard error when all counts are equal.
    parts = tokens * (gains - mean) / tokens.mean()
    error = math.sqrt(float((parts**2).sum()) / (gains.size - 1) / gains.size) if gains.size > 1 else math.nan
    return LogProbabilityGain(
        gain=mean,
        gain_error=error,
        displacement=prediction.displacement,
        n=prediction.n,
        m=gains.size,
        damping=prediction.damping,
        effective_rank=prediction.effective_rank,
        residual_norm=prediction.residual_norm,
    )
