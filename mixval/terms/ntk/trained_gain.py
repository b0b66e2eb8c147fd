"""What an ordinary training of a causal language model on each contributor would gain on T, from what regression predicts.

Letters: K contributors; G the gain that regression predicts, to first order, and d the length of the way that it goes in
parameter space (`gain.py`); a = G / d, the slope; a_bar its mean over contributors.

    v = G - p d,      p = max(a_bar, 0) / 2

Regression sees the slope at the start alone, and a loss bends up. On one that bends evenly the best step gains half of what its
slope promises, the way costs the other half; and whoever chooses one rate of training for all contributors chooses the step
that is best for the average one. So p, half the mean slope, is what a unit of the way costs, taken as the same for all: rows
that lead down by less than that are worth the less the more of them there are. Where the mean slope is not above 0 nothing is
known of the price, and there is none.

v is in nats, on the scale of G; it compares contributors of one run, whose mean slope it takes.

Other prices and lengths are compared in docs/laboratory.md.
"""

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats


def trained_gains(
    slopes: ArrayLike,  # (K,), or (R, K) replicates
    displacements: ArrayLike,  # (K,)
    share: float = 0.5,
) -> Floats:
    """(K,) or (R, K) v in nats, higher is better; a replicate has its own mean slope.

    `slopes` are G / d, nats a unit of displacement, 0 where d is; `displacements` d; `share` the price over the mean slope.
    Raises ShapeError when they do not fit, NumericalError for no contributor or negative displacements.
    """
    a, d = floats("slopes", slopes, np.ndim(slopes)), floats("displacements", displacements, 1)
    if a.ndim not in (1, 2) or a.shape[-1:] != d.shape:
        raise ShapeError(
            f"trained gains: expected slopes (K,) or (R, K) and displacements (K,) of the same contributors, found {a.shape} "
            f"and {d.shape}. Give one of each a contributor."
        )
    if d.size == 0 or (d < 0).any():
        raise NumericalError(
            f"trained gains: expected at least one contributor and displacements of 0 or more, found {d.size} contributors, "
            f"least displacement {d.min(initial=0.0):g}. Leave empty ones out."
        )
    price = share * np.maximum(a.mean(axis=-1, keepdims=True), 0.0)
    return np.asarray((a - price) * d)


def slope(gain: Floats, displacement: Floats) -> Floats:
    """G / d of the same shape; 0 where regression goes nowhere, as between gradients that are all zero."""
    return np.divide(gain, displacement, out=np.zeros_like(gain), where=displacement > 0)
