"""What an ordinary training of a causal language model on each contributor would gain on T, from what regression predicts.

Letters: K contributors; N rows; G the gain that regression predicts, to first order, and d the length of the way that it goes
in parameter space (`gain.py`); a = G / d, the slope; means over contributors are written with a bar.

    v = a D - (c / 2) D^2,      D = d_bar N^(3/4) / mean N^(3/4),      c = max(a_bar, 0) / d_bar

Regression goes as far as the rows would have it and sees the slope at the start alone. A training goes a way of its own length:
optimisers that normalise the gradient (Adam and its kin) take steps of about one length however steep the loss, so that a few
epochs lead further the more rows there are: in proportion to their number where all steps agree, to its square root where they
are noise. And it does not go downhill for ever, since the loss on T bends up: c is the curvature at which a contributor of mean
slope and mean size stops where its gain is largest, which is what whoever chooses one rate for all aims at.

Where the mean slope is not above 0 nothing is known of the curvature, and the way counts to first order. v is in nats, on the
scale of G; it compares contributors of one run, since mean slope, length and size are those of the run.

Spearman's correlation with truth by training, in the mean over plain text, instructions and solved problems (thirty
contributors each, lambda 0.01, 32,768 features), at the rate that serves the median contributor, and over eight pairs of a
world and a rate from a third to three times that:

                                             that rate    all
    G                                           0.89      0.86
    v                                           0.90      0.88
    v with N^(1/2)                              0.90      0.89
    v with N                                    0.91      0.89
    G - a_bar d / 2, N playing no part          0.90      0.88

At the lowest rate, where training is nearest to what is assumed here, v reaches 0.94 on plain text, 0.97 with N, and G 0.78.
With 2,048 features, where v is 0.91 and 0.89, the Fisher information of T's tokens along each way, sampled from the model
thrice, gives 0.92 and 0.89 in place of c; that of T's own tokens 0.82 and 0.80, since it holds the slope itself against a
contributor.
"""

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats

ROWS_POWER = 0.75
"""Of the number of rows, in the length of a training's way."""


def trained_gains(
    slopes: ArrayLike,  # (K,), or (R, K) replicates
    displacements: ArrayLike,  # (K,)
    n_rows: ArrayLike,  # (K,)
    rows_power: float = ROWS_POWER,
) -> Floats:
    """(K,) or (R, K) v in nats, higher is better; a replicate has its own mean slope.

    `slopes` are G / d, nats a unit of displacement, 0 where d is; `displacements` d; `n_rows` N, all that a training would see.
    Raises ShapeError when they do not fit, NumericalError for no contributor, negative displacements or rows below 1.
    """
    a = floats("slopes", slopes, np.ndim(slopes))
    d, n = floats("displacements", displacements, 1), floats("rows", n_rows, 1)
    if a.ndim not in (1, 2) or a.shape[-1:] != d.shape or d.shape != n.shape:
        raise ShapeError(
            f"trained gains: expected slopes (K,) or (R, K), displacements (K,) and rows (K,) of the same contributors, found "
            f"{a.shape}, {d.shape} and {n.shape}. Give one of each a contributor."
        )
    if d.size == 0 or (d < 0).any() or (n < 1).any():
        raise NumericalError(
            f"trained gains: expected at least one contributor, displacements of 0 or more and 1 row or more, found {d.size} "
            f"contributors, least displacement {d.min(initial=0.0):g}, fewest rows {n.min(initial=1.0):g}. Leave empty ones "
            "out."
        )
    mean_length = float(d.mean())
    if mean_length == 0:
        return np.zeros_like(a)
    powers = n**rows_power
    lengths = mean_length * powers / powers.mean()
    curvature = np.maximum(a.mean(axis=-1, keepdims=True), 0.0) / mean_length
    return np.asarray(a * lengths - curvature / 2 * lengths**2)


def slope(gain: Floats, displacement: Floats) -> Floats:
    """G / d of the same shape; 0 where regression goes nowhere, as between gradients that are all zero."""
    return np.divide(gain, displacement, out=np.zeros_like(gain), where=displacement > 0)
