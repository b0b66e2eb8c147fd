"""Gain on T from training a causal language model on each contributor, from the gain that NTK regression predicts.

Letters: K contributors; G the predicted gain, to first order, and d the displacement of the parameters (`gain.py`); a = G / d,
the slope; a_bar its mean over contributors.

    v = G - p d,      p = max(a_bar, 0) / 4

G uses the slope at the start alone, while the loss is convex along the way, so a displacement has a penalty. Where the
curvature is constant, a step to the minimum gains half of what the slope predicts, and one of half that length three quarters:
p is the penalty of a unit of displacement under the latter, at the one learning rate that all contributors share. Where the
mean slope is not above 0, there is no penalty.

v is a score on the scale of G, and no forecast of the loss after training: the slope is that of the first step, and the penalty
orders contributors without measuring a curvature. It compares contributors of one run, whose mean slope it takes. Other
penalties and lengths are compared in docs/laboratory.md.
"""

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats

SHARE = 0.25
"""p over the mean slope."""


def trained_gains(
    slopes: ArrayLike,  # (K,), or (R, K) replicates
    displacements: ArrayLike,  # (K,), or as `slopes`
    share: float = SHARE,
) -> Floats:
    """(K,) or (R, K) v, a score, higher is better; a replicate has its own mean slope.

    `slopes` are G / d, nats a unit of displacement, 0 where d is 0; `displacements` are d; `share` is p over the mean slope.
    Raises ShapeError when they do not fit, NumericalError for no contributor or negative displacements.
    """
    a, d = floats("slopes", slopes, np.ndim(slopes)), floats("displacements", displacements, np.ndim(displacements))
    if a.ndim not in (1, 2) or d.shape not in (a.shape, a.shape[-1:]):
        raise ShapeError(
            f"trained gains: expected slopes (K,) or (R, K) and displacements (K,) of the same contributors, found {a.shape} "
            f"and {d.shape}. Give one of each a contributor."
        )
    if d.size == 0 or (d < 0).any():
        raise NumericalError(
            f"trained gains: expected at least one contributor and displacements of 0 or more, found {d.size} contributors, "
            f"least displacement {d.min(initial=0.0):g}. Leave empty ones out."
        )
    return np.asarray((a - unit_penalty(a, share)[..., None]) * d)


def unit_penalty(slopes: Floats, share: float = SHARE) -> Floats:  # (K,), or (R, K) replicates
    """p of a unit of displacement, one number or (R,), from the slopes of a run's contributors."""
    return np.asarray(share * np.maximum(slopes.mean(axis=-1), 0.0))


def slope(gain: Floats, displacement: Floats) -> Floats:
    """G / d of the same shape; 0 where the displacement is 0, as of gradients that are all zero."""
    return np.divide(gain, displacement, out=np.zeros_like(gain), where=displacement > 0)
