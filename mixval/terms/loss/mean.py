"""The loss term of Eq. 8: the mean loss of the backbone on a part, before any training on it.

Letters: N rows; loss_i the summed loss of row i in nats; c_i its tokens (1 in classification).

    example:  L = (1/N) sum_i loss_i / c_i                  se = sd(loss_i / c_i) / sqrt(N)
    token:    L = sum_i loss_i / sum_i c_i                  se = sqrt(N / (N - 1) sum_i (loss_i - L c_i)^2) / sum_i c_i

The second standard error is the delta method's for a ratio of two means over rows (Cochran, Sampling Techniques, 1977,
section 2.11): tokens of one row are not independent, rows are. Sums are float64.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats

Average = Literal["example", "token"]


@dataclass(frozen=True)
class LossEstimate:
    """The mean loss of a part, with the totals that merging it with other parts needs."""

    mean: float
    """In nats, an example or a token as asked."""
    standard_error: float | None
    """Of the mean, in nats; None for a single row, which has no spread."""
    n: int
    """Rows."""
    total: float
    """Summed loss over rows and tokens, nats."""
    total_count: float
    """Tokens over all rows."""


def estimate_loss(losses: ArrayLike, counts: ArrayLike, average: Average) -> LossEstimate:
    """The mean loss of (N,) summed losses over (N,) token counts, with its standard error.

    Raises ShapeError when they do not pair up, NumericalError for no rows, a row without tokens, NaN or infinity.
    """
    loss, count = paired_losses(losses, counts)
    n, total, total_count = loss.size, float(loss.sum()), float(count.sum())
    if average == "token":
        mean = total / total_count
        spread = math.sqrt(n * float(((loss - mean * count) ** 2).sum())) / total_count
    else:
        per_row = loss / count
        mean = float(per_row.mean())
        spread = math.sqrt(float(((per_row - mean) ** 2).sum()) / n)
    error = spread / math.sqrt(n - 1) if n > 1 else None
    return LossEstimate(mean=mean, standard_error=error, n=n, total=total, total_count=total_count)


def loss_moves(losses: ArrayLike, counts: ArrayLike, average: Average) -> Floats:
    """(N,) how far the mean loss falls, in nats and to first order, as each row leaves. Errors as `estimate_loss`."""
    loss, count = paired_losses(losses, counts)
    above, below = (loss, count) if average == "token" else (loss / count, np.ones_like(count))
    return np.asarray((above - above.sum() / below.sum() * below) / below.sum())


def paired_losses(losses: ArrayLike, counts: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64. Raises ShapeError when they do not pair up, NumericalError for no rows or a row without tokens."""
    loss, count = floats("losses", losses, 1), floats("token counts", counts, 1)
    if loss.shape != count.shape:
        raise ShapeError(f"expected one token count a loss, found {loss.size} losses and {count.size} counts.")
    if loss.size == 0:
        raise NumericalError("a mean loss needs at least one row, found none. Leave empty parts out.")
    if n_empty := int((count <= 0).sum()):
        raise NumericalError(
            f"{n_empty} of {count.size} rows have no token to average over. Leave rows with an empty response out."
        )
    return loss, count
