"""Breakpoints from data: continuous power laws in one, two or three pieces, fitted to (n, error).

    log e = c0 + s1 x + sum_j d_j max(x - t_j, 0),   x = log n, t_j the logarithms of the breakpoints

For given breakpoints the rest is linear least squares, so breakpoints are searched on a grid and then on ever finer ones. How
many pieces there are is decided by BIC, with two numbers a breakpoint. A plateau is a middle piece that is flatter than both
neighbours in 90 % of the draws; else none is found, and that is what is said. Intervals: residuals are drawn again around the
fit, with their deviation over the degrees of freedom left, and the breakpoints found anew.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from mixval.errors import ShapeError
from mixval.scaling.laws import Floats

GRID = 24
FINE, REFINED = 5, 4
"""Places a breakpoint on a finer grid, and how often it is refined: to 1/16 of a step of the first."""
LEAST_POINTS = 3
"""Points that each piece holds."""
DRAWS = 200
LEVEL = 0.9


@dataclass(frozen=True)
class Pieces:
    """A fit with a number of pieces."""

    breakpoints: tuple[float, ...]
    """In the units of n."""
    slopes: tuple[float, ...]
    sigma: float
    bic: float


@dataclass(frozen=True)
class Breakpoints:
    """The chosen fit with intervals."""

    best: Pieces
    by_number: tuple[Pieces, ...]
    """Fits of one, two and three pieces, as far as there are points for them."""
    intervals: tuple[tuple[float, float], ...]
    """Of each breakpoint."""
    has_plateau: bool
    """Three pieces, the middle one flatter than both others beyond doubt."""


def find_breakpoints(n: Floats, errors: Floats, generator: np.random.Generator, n_draws: int = DRAWS) -> Breakpoints:
    """One, two or three pieces, whichever BIC prefers.

    `n` and `errors` (m,), positive. Raises ShapeError for fewer than two pieces' points, or numbers without a logarithm.
    """
    if len(n) != len(errors) or len(n) < 2 * LEAST_POINTS or np.any(n <= 0) or np.any(errors <= 0):
        raise ShapeError(
            f"breakpoints: expected at least {2 * LEAST_POINTS} pairs of positive n and error, found {len(n)} and "
            f"{len(errors)}, or numbers that are not positive. Take an error's floor off only where points stay above it."
        )
    order = np.argsort(n)
    x, y = np.log(n[order]), np.log(errors[order])
    most = min(3, len(x) // LEAST_POINTS)
    found = tuple(fit_pieces(x, y, count) for count in range(most))
    best = min(found, key=lambda one: one.bic)
    places, middles = _redrawn(x, y, best, generator, n_draws)
    edges = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    intervals = tuple((float(low), float(high)) for low, high in np.exp(np.quantile(places, edges, axis=0)).T)
    flat = len(best.breakpoints) == 2 and bool(np.mean(middles > 0) >= LEVEL)
    return Breakpoints(best, found, intervals, flat)


def fit_pieces(x: Floats, y: Floats, n_breakpoints: int) -> Pieces:
    """The least-squares fit in log n (m,), ascending, and log error (m,), with that many breakpoints."""
    if n_breakpoints == 0:
        return _pieces(x, y, np.zeros(0))
    return _pieces(x, y, _searched(x, y[None], n_breakpoints)[0])


def _searched(x: Floats, targets: Floats, n_breakpoints: int) -> Floats:
    """Breakpoints (R, k) in log n of R sets of log errors (R, m): the best of a grid, then of ever finer grids around it."""
    low, high = x[LEAST_POINTS - 1], x[-LEAST_POINTS]
    grid = np.linspace(low, high, GRID)
    tried = np.array([one for one in itertools.combinations(grid, n_breakpoints) if _holds(x, np.array(one))])
    if not len(tried):
        return np.tile(np.quantile(x, np.arange(1, n_breakpoints + 1) / (n_breakpoints + 1)), (len(targets), 1))
    best: Floats = tried[np.argmax(_explained(x, tried, targets), axis=1)]
    step = float(grid[1] - grid[0])
    offsets = np.array(list(itertools.product(np.linspace(-1, 1, FINE), repeat=n_breakpoints)))
    for _ in range(REFINED):
        for at, target in enumerate(targets):
            near = np.sort(np.clip(best[at] + step * offsets, low, high), axis=1)
            best[at] = near[int(np.argmax(_explained(x, near, target[None])[0]))]
        step *= 2 / (FINE - 1)
    return best


def _explained(x: Floats, places: Floats, targets: Floats) -> Floats:
    """Sum of squares that designs with these breakpoints (P, k) explain of each target: (R, P)."""
    hinges = np.maximum(x[None, :, None] - places[:, None, :], 0)  # (P, m, k)
    ends = np.broadcast_to(np.stack([np.ones_like(x), x], axis=1), (len(places), len(x), 2))
    q, _ = np.linalg.qr(np.concatenate([ends, hinges], axis=2))
    explained: Floats = np.sum(np.einsum("pmc,rm->rpc", q, targets) ** 2, axis=2)
    return explained


def _holds(x: Floats, places: Floats) -> bool:
    """Whether each piece has its points."""
    counts = np.diff(np.concatenate([[0], np.searchsorted(x, places, side="right"), [len(x)]]))
    return bool(np.all(counts >= LEAST_POINTS))


def _design(x: Floats, places: Floats) -> Floats:
    return np.stack([np.ones_like(x), x, *(np.maximum(x - place, 0) for place in places)], axis=1)


def _squares(x: Floats, y: Floats, places: Floats) -> float:
    design = _design(x, places)
    c = np.linalg.lstsq(design, y, rcond=None)[0]
    return float(np.sum((y - design @ c) ** 2))


def _pieces(x: Floats, y: Floats, places: Floats) -> Pieces:
    c = np.linalg.lstsq(_design(x, places), y, rcond=None)[0]
    squares, m, numbers = _squares(x, y, places), len(x), 2 + 2 * len(places)
    sigma = math.sqrt(squares / max(m - numbers, 1))
    bic = m * math.log(max(squares / m, 1e-300)) + numbers * math.log(m)
    return Pieces(tuple(float(one) for one in np.exp(places)), tuple(float(one) for one in np.cumsum(c[1:])), sigma, bic)


def _redrawn(x: Floats, y: Floats, best: Pieces, generator: np.random.Generator, n_draws: int) -> tuple[Floats, Floats]:
    """Breakpoints (R, k) of redrawn data in log n, and by how much the middle slope exceeds the larger of the others (R,)."""
    places = np.log(np.array(best.breakpoints))
    design = _design(x, places)
    middle = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    if len(places) == 0:
        return np.zeros((n_draws, 0)), np.zeros(n_draws)
    targets = middle + best.sigma * generator.standard_normal((n_draws, len(x)))
    drawn = _searched(x, targets, len(places))
    if len(places) != 2:
        return drawn, np.zeros(n_draws)
    slopes = np.array([_pieces(x, target, place).slopes for target, place in zip(targets, drawn, strict=True)])
    return drawn, slopes[:, 1] - np.maximum(slopes[:, 0], slopes[:, 2])
