"""The three phases of Lemma 1 (arXiv 2511.13640): its asymptotic formulas and breakpoints, and where an exact curve bends.

With k the last rank that synthetic data holds, and terms up to constants:

    phase 1, n <= c1 k^beta:         a n^((1-alpha-beta)/beta) - b n^((1-lambda-beta)/beta) + K
    phase 2:                         K = a k^(1-alpha-beta) - b k^(1-lambda-beta) + k^(1-beta)
    phase 3, n >= c2 k^beta / pi:    the terms of phase 1 in n, with n replaced by pi n

The exact curve (`expected_error.py`) has no kinks: its slope goes from (1-beta)/beta to a flattest value and back. Its
generalised breakpoints are where the slope is half of the slope far away. For beta = 2, k = 70 they lie at 1.46 to 1.61 k^beta
and 1.64 k^beta / pi, and at pi = 0.0625 the flattest slope is -0.086: a bend, no plateau.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from mixval.errors import ShapeError
from mixval.scaling.expected_error import Correctness, log_slope
from mixval.scaling.knowledge import Mixture
from mixval.scaling.laws import Floats

FIRST_ROWS, LAST_ROWS = 10.0, 1e13
GRID = 400
STEEP = 0.7
"""Share of the slope far away that counts as steep: a curve begins flat, while even the head is unseen."""


@dataclass(frozen=True)
class Bends:
    """Where an exact curve bends, in rows of training data."""

    flattest: float
    """The flattest slope d log(E - floor) / d log n between the breakpoints."""
    flattest_at: float
    first: float | None
    """Where the slope is half of that far away, on the way into the plateau; None where it never is."""
    second: float | None


def breakpoints(mixture: Mixture) -> tuple[float, float]:
    """k^beta and k^beta / pi. Raises ShapeError where nothing is cut."""
    if math.isinf(mixture.kept) or mixture.real == 0:
        raise ShapeError("breakpoints: expected synthetic data cut at a rank and some real data; k^beta / pi needs both.")
    first = mixture.kept**mixture.beta
    return first, first / mixture.real


def phase_error(mixture: Mixture, n: Floats, correct: Correctness | None = None) -> tuple[Floats, Floats]:
    """The formula of the phase that each n is in, with unit constants, and the phase: 1, 2 or 3."""
    correct = correct or Correctness()
    rows = np.asarray(n, dtype=float)
    first, second = breakpoints(mixture)
    kept = _terms(mixture.kept**mixture.beta, mixture.beta, correct) + mixture.kept ** (1 - mixture.beta)
    phase = np.where(rows <= first, 1, np.where(rows < second, 2, 3))
    parts = [_terms(rows, mixture.beta, correct) + kept, np.full(len(rows), kept)]
    parts.append(_terms(mixture.real * rows, mixture.beta, correct))
    return np.choose(phase - 1, parts), phase


def slope_far_away(beta: float, alpha: float = 0.0) -> float:
    """(1 - alpha - beta) / beta, of the error less its floor."""
    return (1 - alpha - beta) / beta


def bends(mixture: Mixture, correct: Correctness | None = None, is_balanced: bool = False, is_relative: bool = False) -> Bends:
    """The generalised breakpoints of the exact curve.

    Half-way is half of the slope far away, or, `is_relative`, the middle between that and the flattest slope, which exists for
    soft truncation too: a temperature below 1 makes a flatter stretch and no plateau.
    """
    correct = correct or Correctness()
    far = slope_far_away(mixture.beta, correct.alpha)
    rows = np.geomspace(FIRST_ROWS, LAST_ROWS, GRID)
    slopes = log_slope(mixture, rows, correct, is_balanced)
    top = _flattest(slopes, far)
    half = (far + slopes[top]) / 2 if is_relative else far / 2
    first = _crossing(mixture, correct, is_balanced, rows[: top + 1], slopes[: top + 1] - half, half)
    second = _crossing(mixture, correct, is_balanced, rows[top:][::-1], slopes[top:][::-1] - half, half)
    return Bends(float(slopes[top]), float(rows[top]), first, second)


def _flattest(slopes: Floats, far: float) -> int:
    """The flattest place after the head, where the slope has once been steep, and before the curve ends."""
    steep = np.flatnonzero(slopes < STEEP * far)
    begin = int(steep[0]) if len(steep) else 0
    return begin + int(np.argmax(slopes[begin:]))


def _terms(rows: Floats | float, beta: float, correct: Correctness) -> Floats:
    seen = correct.a * np.asarray(rows) ** ((1 - correct.alpha - beta) / beta)
    unseen: Floats = seen - correct.b * np.asarray(rows) ** ((1 - correct.lambda_ - beta) / beta)
    return unseen


def _crossing(
    mixture: Mixture, correct: Correctness, is_balanced: bool, rows: Floats, above: Floats, half: float
) -> float | None:
    """The crossing nearest to the last of these rows, where the slope is flattest."""
    if above[-1] <= 0 or not (above < 0).any():
        return None
    at = int(np.flatnonzero(above < 0)[-1])
    low, high = sorted((math.log(rows[at]), math.log(rows[at + 1])))

    def gap(log_rows: float) -> float:
        return float(log_slope(mixture, np.array([math.exp(log_rows)]), correct, is_balanced)[0]) - half

    return math.exp(float(brentq(gap, low, high, xtol=1e-8)))
