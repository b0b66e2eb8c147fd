"""Pieces of knowledge, how a mixture of real and synthetic data draws them, and how likely each stays unseen.

Real data holds piece i with p_i ~ i^-beta; a generator draws p' from p; n training rows come from q = pi p + (1 - pi) p'
(arXiv 2511.13640, Lemma 1, where p' is p cut beyond rank k and scaled to one). Piece i stays unseen with probability

    U_i(n) = (1 - q_i)^n                                          cut, temperature
    U_i(n) = exp(-n pi p_i - m p_i (1 - exp(-n (1 - pi) / m)))    finite sample: p' = counts of m draws / m, counts Poisson

Functions of the rank take real ranks, since far ranks are integrated and not summed (`expected_error.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import zeta

from mixval.errors import ShapeError
from mixval.scaling.laws import Floats

EXACT_RANKS = 20_000
"""Ranks at the head of a sum that are summed one by one."""
PANEL, NODES = 0.5, 16
"""Gauss-Legendre panels beyond them: width in log rank, points in each."""
NEGLIGIBLE = 1e-14
"""Expected draws of a piece below which it counts as unseen."""
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)


@dataclass(frozen=True)
class Generator:
    """How synthetic data departs from p.

    `kind`: `cut` keeps the first `at` ranks; `temperature` draws p_i^(1/at), scaled to one, so below 1 favours the head;
    `top-p` keeps the fewest ranks that together weigh `at`; `finite` draws from `at` rows of real data.
    """

    kind: str
    at: float

    def __post_init__(self) -> None:
        """Raises ShapeError for what is no generator."""
        bounds = {"cut": (1, math.inf), "temperature": (0, math.inf), "top-p": (0, 1), "finite": (1, math.inf)}
        if self.kind not in bounds:
            raise ShapeError(f"generator: expected cut, temperature, top-p or finite, found {self.kind!r}. Choose one of them.")
        low, high = bounds[self.kind]
        if not low <= self.at <= high or (self.at == 0):
            raise ShapeError(f"generator {self.kind}: expected a number from {low:g} to {high:g}, found {self.at:g}.")


@dataclass(frozen=True)
class Mixture:
    """Zipf's law with exponent `beta` over `n_items` pieces (None: infinitely many), and a share `real` of real data."""

    beta: float
    real: float
    generator: Generator
    n_items: int | None = None

    def __post_init__(self) -> None:
        """Raises ShapeError for a law that cannot be scaled to one, or a share outside 0 to 1."""
        if self.n_items is None and self.beta <= 1:
            raise ShapeError(f"beta: expected more than 1 for infinitely many pieces, found {self.beta:g}. Give n_items.")
        if not 0 <= self.real <= 1:
            raise ShapeError(f"real: expected a share from 0 to 1, found {self.real:g}.")

    def p(self, ranks: Floats) -> Floats:
        """Share of each piece in real data and in the test."""
        share: Floats = np.asarray(ranks, dtype=float) ** -self.beta / power_sum(self.beta, self.n_items)
        return share

    @property
    def kept(self) -> float:
        """Last rank that synthetic data holds; infinite where nothing is cut."""
        end = math.inf if self.n_items is None else float(self.n_items)
        if self.generator.kind == "cut":
            return min(end, math.floor(self.generator.at))
        return min(end, _top_rank(self.beta, self.generator.at, self.n_items)) if self.generator.kind == "top-p" else end

    def hazard(self, ranks: Floats, n: Floats) -> Floats:
        """-log U of each piece after n rows, (J, I) for n (J,) and ranks (I,)."""
        p, rows = self.p(ranks), np.asarray(n, dtype=float)[:, None]
        if self.generator.kind == "finite":
            held = self.generator.at
            made: Floats = rows * self.real * p - held * p * np.expm1(-rows * (1 - self.real) / held)
            return made
        q = np.minimum(self.real * p + (1 - self.real) * self._synthetic(ranks, p), 1 - 1e-16)
        return -rows * np.log1p(-q)

    def hazard_growth(self, ranks: Floats, n: Floats, hazard: Floats) -> Floats:
        """d(-log U) / d log n, (J, I), given -log U itself."""
        if self.generator.kind != "finite":
            return hazard
        p, rows = self.p(ranks), np.asarray(n, dtype=float)[:, None]
        made: Floats = rows * p * (self.real + (1 - self.real) * np.exp(-rows * (1 - self.real) / self.generator.at))
        return made

    def _synthetic(self, ranks: Floats, p: Floats) -> Floats:
        if self.generator.kind == "temperature":
            exponent = self.beta / self.generator.at
            return np.asarray(ranks, dtype=float) ** -exponent / power_sum(exponent, self.n_items)
        if math.isinf(self.kept):
            return p
        mass = power_sum(self.beta, int(self.kept)) / power_sum(self.beta, self.n_items)
        return np.where(ranks < self.kept + 0.5, p / mass, 0.0)


def power_sum(exponent: float, last: int | None) -> float:
    """sum of i^-exponent for i = 1 to last (None: infinity)."""
    if last is None:
        return float(zeta(exponent))
    return float(ranked_sum(lambda ranks: (ranks**-exponent)[None], 1, last)[0])


def ranked_sum(function: Callable[[Floats], Floats], first: int, last: int) -> Floats:
    """sum of f(i) for i = first to last, (J,), of a function from ranks (I,) to (J, I) that is smooth in log rank.

    The first ranks are summed; of the rest, sum f = integral from i - 1/2 to j + 1/2, less (f'(j + 1/2) - f'(i - 1/2)) / 24
    (Euler-Maclaurin at midpoints), whose next term is below 1e-10 of the sum.
    """
    head_end = min(last, first + EXACT_RANKS - 1)
    total: Floats = function(np.arange(first, head_end + 1, dtype=float)).sum(axis=1)
    if head_end == last:
        return total
    low, high = head_end + 1.0, float(last)
    ends = function(np.array([low - 1, low, high, high + 1]))
    corrected = ((ends[:, 3] - ends[:, 2]) - (ends[:, 1] - ends[:, 0])) / 24
    return total + integral(function, low - 0.5, high + 0.5) - corrected


def integral(function: Callable[[Floats], Floats], low: float, high: float) -> Floats:
    """Integral of f over ranks, in log rank."""
    begin, end = math.log(low), math.log(high)
    edges = np.linspace(begin, end, max(2, math.ceil((end - begin) / PANEL) + 1))
    half = np.diff(edges) / 2
    places = ((edges[:-1] + edges[1:]) / 2)[:, None] + half[:, None] * _POINTS
    ranks = np.exp(places).ravel()
    total: Floats = function(ranks) @ ((half[:, None] * _WEIGHTS).ravel() * ranks)
    return total


def _top_rank(beta: float, mass: float, n_items: int | None) -> float:
    """Fewest ranks that weigh `mass`, by bisection."""
    if mass >= 1:
        return math.inf
    target, high = mass * power_sum(beta, n_items), 1
    while power_sum(beta, high) < target:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power_sum(beta, middle) < target else (low, middle)
    return float(high)
