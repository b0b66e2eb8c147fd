"""Expected test error after n training rows, exact, with its floor and its slope.

    E(n) = sum_i w_i [ (1 - U_i(n)) (1 - a i^-alpha) + U_i(n) (1 - b i^-lambda) ]       (arXiv 2511.13640, before Lemma 1)
         = floor + sum_i w_i U_i(n) (a i^-alpha - b i^-lambda),   floor = sum_i w_i (1 - a i^-alpha)

a i^-alpha is the chance that a model is right about a piece that it has seen, b i^-lambda about one that it has not. w is p,
or uniform over finitely many pieces (a class-balanced test). The paper's asymptotic formula has no floor: where alpha > 0 or
a < 1, subtract it before slopes are read. Head ranks are summed, far ranks integrated in log rank, and beyond the rank where
nothing is drawn the power law is integrated in closed form: about 1e-10 of the error, up to n = 1e12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixval.errors import ShapeError
from mixval.scaling.knowledge import NEGLIGIBLE, Mixture, power_sum, ranked_sum
from mixval.scaling.laws import Floats


@dataclass(frozen=True)
class Correctness:
    """Chances of being right: a i^-alpha once seen, b i^-lambda unseen."""

    a: float = 1.0
    alpha: float = 0.0
    b: float = 0.0
    lambda_: float = 0.0

    def gain(self, ranks: Floats) -> Floats:
        """What having seen a piece adds to the chance of being right."""
        gained: Floats = self.a * ranks**-self.alpha - self.b * ranks**-self.lambda_
        return gained


def expected_error(mixture: Mixture, n: Floats, correct: Correctness | None = None, is_balanced: bool = False) -> Floats:
    """E(n) for n rows, (J,)."""
    correct = correct or Correctness()
    return floor(mixture, correct, is_balanced) + excess(mixture, n, correct, is_balanced)


def floor(mixture: Mixture, correct: Correctness, is_balanced: bool = False) -> float:
    """What stays however much is drawn: sum_i w_i (1 - a i^-alpha). Zero for alpha = 0, a = 1."""
    if is_balanced:
        return 1.0 - correct.a * power_sum(correct.alpha, _finite(mixture)) / _finite(mixture)
    known = power_sum(mixture.beta + correct.alpha, mixture.n_items) / power_sum(mixture.beta, mixture.n_items)
    return 1.0 - correct.a * known


def excess(mixture: Mixture, n: Floats, correct: Correctness | None = None, is_balanced: bool = False) -> Floats:
    """E(n) less its floor, (J,)."""
    return _summed(mixture, n, correct or Correctness(), is_balanced, lambda unseen, _growth: unseen)


def log_slope(mixture: Mixture, n: Floats, correct: Correctness | None = None, is_balanced: bool = False) -> Floats:
    """d log(E - floor) / d log n, (J,); minus infinity where the excess is below the smallest number."""
    correct = correct or Correctness()
    rows = np.atleast_1d(np.asarray(n, dtype=float))
    left = excess(mixture, rows, correct, is_balanced)
    falling = _summed(mixture, rows, correct, is_balanced, lambda unseen, growth: -growth * unseen)
    slope: Floats = np.divide(falling, left, out=np.full(len(rows), -np.inf), where=left > 0)
    return slope


def _summed(
    mixture: Mixture,
    n: Floats,
    correct: Correctness,
    is_balanced: bool,
    of: Callable[[Floats, Floats], Floats],  # (U, d(-log U) / d log n) -> what is summed
) -> Floats:
    rows = np.atleast_1d(np.asarray(n, dtype=float))

    def function(ranks: Floats) -> Floats:
        hazard = mixture.hazard(ranks, rows)
        weight = np.full(len(ranks), 1 / _finite(mixture)) if is_balanced else mixture.p(ranks)
        return weight * correct.gain(ranks) * of(np.exp(-hazard), mixture.hazard_growth(ranks, rows, hazard))

    last = _last_drawn(mixture, rows)
    kept = mixture.kept
    total = np.zeros(len(rows))
    first = 1
    if kept < last:
        total += ranked_sum(function, 1, int(kept))
        first = int(kept) + 1
    total += ranked_sum(function, first, last)
    if mixture.n_items is None:
        total += _tail(mixture, correct, last) * of(np.ones(len(rows)), np.zeros(len(rows)))
    return total


def _last_drawn(mixture: Mixture, rows: Floats) -> int:
    """The last piece, or the rank beyond which none is drawn and p is a pure power."""
    if mixture.n_items is not None:
        return mixture.n_items
    last = 64
    while float(mixture.hazard(np.array([float(last)]), rows).max()) > NEGLIGIBLE:
        last *= 2
    return last if math.isinf(mixture.kept) else max(last, int(mixture.kept) + 1)


def _tail(mixture: Mixture, correct: Correctness, last: int) -> float:
    """sum over i > last of p_i (a i^-alpha - b i^-lambda), where nothing is drawn: midpoint integrals of powers."""
    parts = ((correct.a, mixture.beta + correct.alpha), (-correct.b, mixture.beta + correct.lambda_))
    edge = last + 0.5
    summed = sum(scale * (edge ** (1 - power) / (power - 1) - power * edge ** (-power - 1) / 24) for scale, power in parts)
    return float(summed / power_sum(mixture.beta, None))


def array_error(
    p: Floats,  # (I,)
    synthetic: Floats,  # (I,), shares p'
    real: float,
    n: Floats,  # (J,)
    correct: Correctness | None = None,
) -> Floats:
    """E(n), (J,), for shares that follow no power law; ranks are positions, the first is 1."""
    correct = correct or Correctness()
    if p.shape != synthetic.shape or not np.isclose(p.sum(), 1) or not np.isclose(synthetic.sum(), 1):
        raise ShapeError(
            f"shares: expected two vectors of one length that sum to 1, found {p.shape} with {p.sum():g} and {synthetic.shape} "
            f"with {synthetic.sum():g}. Scale them."
        )
    ranks = np.arange(1, len(p) + 1, dtype=float)
    q = np.minimum(real * p + (1 - real) * synthetic, 1 - 1e-16)
    gain = p * correct.gain(ranks)
    left = np.exp(np.asarray(n, dtype=float)[:, None] * np.log1p(-q)) @ gain
    error: Floats = 1.0 - float(p @ (correct.a * ranks**-correct.alpha)) + left
    return error


def _finite(mixture: Mixture) -> int:
    if mixture.n_items is None:
        raise ShapeError("class-balanced test: expected finitely many pieces, found infinitely many. Give n_items.")
    return mixture.n_items
