"""The value on T near given outputs: a coordinate in which it is nearly linear, and what moves that coordinate.

Letters: m rows of T; C responses; F (m, C) outputs; g the mean gain on T over guessing at the scale s that fits all rows, in
nats.

    tokens    the value itself, which is linear in F
    labels    the angle a = sign(s) arcsin(sqrt(g / log C)), from -pi / 2 (every row wrong) over 0 (guessing) to pi / 2
              (every row right). In F the value is bent: flat where s is near 0, and bounded. The angle is neither, as the
              square root of a likelihood ratio and the arcsine of a share are not (Bartlett, Biometrics 3, 1947)

An interval is made of the angle and mapped back, so it contains its value and stays between both bounds. The loss that comes
from fitting s without the row is one of a fitted parameter, near 1 / m nats whatever the angle (Akaike's), so it is held down
to guessing. Below, where nothing is lost, the map stays at what that leaves until it is lower: a lower angle never has the
higher value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixval.terms.arrays import Floats
from mixval.terms.ntk.temperature import fit_scale

NEAR_GUESSING = 1e-6
"""Angle below which derivatives are taken at guessing, where both numerator and denominator vanish."""


@dataclass(frozen=True)
class Linearised:
    """The value on T about given outputs."""

    coordinate: float
    """The angle, or the value."""
    gradient: Floats
    """(m, C) derivative of the coordinate by F."""
    target_moves: Floats
    """(m,) how far the coordinate falls as each row of T leaves."""
    guess_move: float
    """How far it falls as one row joins T that is only guessed: the doubt that is left where every row is right."""
    guess: float | None
    """log C; None where the coordinate is the value."""
    left_out: float
    """Nats that rows lose by the scale of the others; 0 where s is not above 0."""

    def shifts(self, moved: Floats) -> Floats:
        """Changes of the value, in nats, by changes of the coordinate."""
        if self.guess is None:
            return moved
        return np.asarray(self._value(moved) - self._value(np.zeros(1)), dtype=np.float64)

    def _value(self, moved: Floats) -> Floats:
        angle = np.clip(self.coordinate + moved, -math.pi / 2, math.pi / 2)
        bent = (self.guess or 0.0) * np.sign(angle) * np.sin(angle) ** 2
        return np.asarray(np.where(angle > 0, bent - self.left_out, np.minimum(bent, -self.left_out)))


def linear_gain(outputs: Floats, tokens: Floats) -> Linearised:  # (m, 1), (m,)
    """Of the token-weighted mean of outputs."""
    total, gains = float(tokens.sum()), outputs[:, 0]
    mean = float(tokens @ gains) / total
    rest = total - tokens
    moves = np.divide(tokens * (gains - mean), rest, out=np.zeros_like(gains), where=rest > 0)
    return Linearised(mean, (tokens / total)[:, None], moves, 0.0, None, 0.0)


def fitted_gain(outputs: Floats, labels: npt.NDArray[np.int64], norms: Floats | None) -> Linearised:  # (m, C), (m,), (m,)
    """Of minus the cross-entropy at the scale that fits. `outputs` are divided by `norms`, which the gradient takes along.

    Where outputs are constant there is nothing to scale: the gradient is NaN, and so is every spread from it.
    """
    (m, n_classes), found = outputs.shape, fit_scale(outputs, labels)
    guess, sign = math.log(n_classes), math.copysign(1.0, found.scale)
    gain = min(max(guess - float(found.rows.mean()), 0.0), guess)
    angle = sign * _angle(np.array([gain / guess]))[0]
    if found.scale == 0 and found.curvature == 0:
        return Linearised(0.0, np.full_like(outputs, math.nan), np.zeros(m), 0.0, guess, 0.0)
    others = guess - found.without / max(m - 1, 1)
    moves = angle - found.signs * _angle(np.clip(others / guess, 0.0, 1.0))
    joined = abs(angle) - _angle(np.array([gain * m / (m + 1) / guess]))[0]
    against = outputs - outputs[np.arange(m), labels][:, None]
    p = _softmax(found.scale * against)
    p[np.arange(m), labels] -= 1
    if abs(angle) > NEAR_GUESSING:
        steepness = abs(found.scale) / (guess * max(math.sin(2 * abs(angle)), 1e-12))
    else:
        steepness = 1 / math.sqrt(2 * guess * found.curvature)
    gradient = -p * (steepness / m)
    if norms is not None:
        gradient = np.divide(gradient, norms[:, None], out=np.zeros_like(gradient), where=norms[:, None] > 0)
    left_out = float(found.losses.mean() - found.rows.mean()) if found.scale > 0 else 0.0
    return Linearised(float(angle), gradient, moves, float(joined), guess, left_out)


def _angle(shares: Floats) -> Floats:
    return np.asarray(np.arcsin(np.sqrt(shares)))


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
