"""Cross-entropy of outputs of unknown scale: softmax(s F) at the best s, each row evaluated at the s that fits the others.

Letters: m rows; C classes; F (m, C) outputs; d_ic = F_ic - F_i,label; l_i(s) = logsumexp over c of s d_ic, its loss in nats.
Temperature scaling (Guo et al., arXiv 1706.04599) with s the inverse temperature, the minimum of the convex sum l(s).

Row i is evaluated at s_-i, the minimum without it, by one Newton step from s: since l'(s) = 0, the slope of the others there is
minus the row's own, s_-i = s + l_i' / (l'' - l_i''). So no row takes part in choosing its own scale, and none are set aside.

Outputs that are anti-correlated with the labels, as after training on wrong ones, fit best at s < 0, where reversed they would
lower the loss. What is lowered so counts against them: such a row has the loss 2 log C - l_i(s), as far above guessing as the
reversed outputs are below it. It is the loss of no predictor, but orders outputs from harmful over useless, log C, to useful.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, softmax

from mixval.terms.arrays import Floats

LARGEST_SCALE = 1e6
"""Of |s| times the root mean square of d. Where F puts every row right, or every row wrong, the best s is infinite."""
MOST_STEPS = 60
"""Newton steps and bisections towards s: 3 to 10 were seen."""


@dataclass(frozen=True)
class ScaleFit:
    """Outputs at the scale that fits their labels best."""

    losses: Floats
    """(m,) nats: of each row at the scale of the others; where s is negative, 2 log C less its loss at s."""
    scale: float
    """s, of F as given; 0 where outputs are constant."""
    rows: Floats
    """(m,) l_i(s), at the scale of all rows."""
    without: Floats
    """(m,) sums of the other rows' losses at their own best scale, to second order."""
    signs: Floats
    """(m,) signs of those scales."""
    curvature: float
    """Mean of l_i''(s), of F as given."""


def left_out_cross_entropy(
    outputs: Floats,  # (m, C)
    labels: npt.NDArray[np.int64],  # (m,)
) -> tuple[Floats, float]:  # (m,) nats; s
    """Losses of each row under the scale of the others, and the scale of all; log C and 0 where outputs are constant."""
    found = fit_scale(outputs, labels)
    return found.losses, found.scale


def fit_scale(
    outputs: Floats,  # (m, C)
    labels: npt.NDArray[np.int64],  # (m,)
) -> ScaleFit:
    """The best scale of outputs, with the losses that it gives; log C and 0 where outputs are constant."""
    against = outputs - outputs[np.arange(len(labels)), labels][:, None]
    size, guess = float(np.sqrt((against**2).mean())), math.log(outputs.shape[1])
    if size == 0:
        flat = np.full(len(labels), guess)
        return ScaleFit(flat, 0.0, flat, flat * (len(labels) - 1), np.zeros(len(labels)), 0.0)
    against /= size
    scale = signed_scale(against)
    rows = np.asarray(logsumexp(scale * against, axis=1))
    slopes, curvatures = _slopes(against, scale)
    others = curvatures.sum() - curvatures
    steps = np.divide(slopes, others, out=np.zeros_like(slopes), where=others > 0)
    losses = 2 * guess - rows if scale < 0 else _at(against, np.clip(scale + steps, 0.0, 2 * scale))
    without = rows.sum() - rows - slopes * steps / 2
    signs = np.sign(scale + steps)
    return ScaleFit(losses, scale / size, rows, without, signs, float(curvatures.mean()) * size**2)


def per_norm(outputs: Floats, norms: Floats | None) -> Floats:  # (m, C); (m,)
    """Outputs over `norms`; 0 where a norm is 0, unchanged for None."""
    if norms is None:
        return outputs
    column = norms[:, None]
    return np.divide(outputs, column, out=np.zeros_like(outputs), where=column > 0)


def signed_scale(against: Floats) -> float:  # (m, C) d, of root mean square near 1
    """The s in -`LARGEST_SCALE` to `LARGEST_SCALE` at which the sum of losses is least."""
    return best_scale(against) or -best_scale(-against)


def best_scale(against: Floats) -> float:  # (m, C) d, of root mean square near 1
    """The s in 0 to `LARGEST_SCALE` at which the sum of losses is least: Newton's steps between two signs of the slope."""
    if _slopes(against, 0.0)[0].sum() >= 0:
        return 0.0  # outputs are uncorrelated with the labels, or anti-correlated
    low, high, scale = 0.0, LARGEST_SCALE, 1.0
    for _ in range(MOST_STEPS):
        slope, curvature = (float(part.sum()) for part in _slopes(against, scale))
        low, high = (scale, high) if slope < 0 else (low, scale)
        following = scale - slope / curvature if curvature > 0 else math.inf
        if not low < following < high:
            following = math.sqrt(max(low, 1e-3 * high) * high) if low else high / 2
        if abs(following - scale) <= 1e-12 * scale:
            break
        scale = following
    return scale


def _at(against: Floats, scales: Floats) -> Floats:
    """(m,) losses at a scale of each row's own."""
    return np.asarray(logsumexp(scales[:, None] * against, axis=1))


def _slopes(against: Floats, scale: float) -> tuple[Floats, Floats]:
    """(m,) l_i' and l_i'': mean and variance of d under softmax(s d)."""
    p = softmax(scale * against, axis=1)
    mean = (p * against).sum(1)
    return mean, (p * (against - mean[:, None]) ** 2).sum(1)
