"""Robust fits of a law to many problems side by side: weights, targets and starting points differ, runs are shared.

Objective of a problem, over theta and c >= 0 (Huber, Ann. Math. Stat. 35, 1964; on log loss as Hoffmann et al. 2022):

    F = sum_i w_i rho_delta( y_i - log (X(theta) c)_i ),   rho(r) = r^2 / 2 up to |r| = delta, then delta (|r| - delta / 2)

a sum: its mean has gradients so small that a quasi-Newton search ends early. c is profiled out (Golub and Pereyra, SIAM J.
Numer. Anal. 10, 1973, with Kaufman's Jacobian): for a given theta it is found by reweighted least squares with c >= 0, solved
exactly over all sets of non-zero coefficients, of which there are at most fifteen. The search in theta is Levenberg-Marquardt
within bounds. Letters as in `laws.py`; float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mixval.scaling.laws import Floats, Law, Numbers

STEP = 1e-30
"""Imaginary step of derivatives: exact to rounding, since nothing is subtracted."""
INNER = 3
"""Reweighted solutions for c at a step of theta; each begins where the last ended."""
FIRST_INNER = 12
MOST_STEPS = 60
CONVERGED = 1e-10
"""Relative decrease of F below which a problem is at rest, once twice in a row."""
TINY = 1e-300
RIDGE = 1e-13
"""Added to the diagonal of matrices whose diagonal is 1."""


@dataclass(frozen=True)
class Solved:
    """Minima, one a problem."""

    theta: Floats  # (B, q)
    coefficients: Floats  # (B, p), of the shifted inputs
    objective: Floats  # (B,)


def huber(residuals: Floats, delta: Floats | float) -> Floats:
    """rho of each residual; least squares where delta is infinite."""
    size = np.abs(residuals)
    inside = 0.5 * size**2
    if np.all(np.isinf(delta)):
        return inside
    return np.where(size <= delta, inside, delta * (size - 0.5 * np.where(np.isinf(delta), 0.0, delta)))


def solve(
    law: Law,
    logs: Floats,  # (n, inputs), less the shift
    shift: Floats,  # (inputs,)
    targets: Floats,  # (B, n) log losses
    weights: Floats,  # (B, n), zero leaves a run out
    delta: Floats,  # (B,)
    starts: Floats,  # (B, q)
) -> Solved:
    """The minimum that each start leads to."""
    low = np.array([one.low for one in law.constants])
    high = np.array([one.high for one in law.constants])
    theta = np.clip(starts, low, high)
    deltas = delta[:, None]
    coefficients = profiled(real_basis(law, theta, logs, shift), targets, weights, deltas, None, FIRST_INNER)
    value = _objective(real_basis(law, theta, logs, shift), coefficients, targets, weights, deltas)
    damping = np.full(len(theta), 1e-3)
    rested = np.zeros(len(theta), dtype=int)
    for _ in range(MOST_STEPS):
        live = np.flatnonzero(rested < 2)
        if not len(live):
            break
        now = theta[live], coefficients[live], targets[live], weights[live], deltas[live]
        step = _step(law, logs, shift, *now, damping[live], (low, high))
        moved = np.clip(theta[live] + step, low, high)
        basis = real_basis(law, moved, logs, shift)
        found = profiled(basis, targets[live], weights[live], deltas[live], coefficients[live], INNER)
        new = _objective(basis, found, targets[live], weights[live], deltas[live])
        better = new < value[live]
        gain = np.where(better, value[live] - new, 0.0)
        rested[live] = np.where(gain <= CONVERGED * value[live] + TINY, rested[live] + 1, 0)
        rested[live] = np.where(~better & (damping[live] < 1e4), np.minimum(rested[live], 1), rested[live])
        damping[live] = np.where(better, np.maximum(damping[live] / 5, 1e-9), np.minimum(damping[live] * 8, 1e6))
        taken = live[better]
        theta[taken], coefficients[taken], value[taken] = moved[better], found[better], new[better]
    return Solved(theta, coefficients, value)


def real_basis(law: Law, theta: Floats, logs: Floats, shift: Floats) -> Floats:
    """X(theta), (B, n, p)."""
    return np.asarray(law.basis(theta, logs, shift), dtype=np.float64)


def profiled(
    basis: Floats,  # (B, n, p)
    targets: Floats,  # (B, n)
    weights: Floats,  # (B, n)
    deltas: Floats,  # (B, 1)
    start: Floats | None,  # (B, p)
    repeats: int,
) -> Floats:
    """c >= 0 at given theta, (B, p): Gauss-Newton steps in the log of the prediction, each an exact non-negative solution."""
    c = nonnegative(basis * np.exp(-targets)[..., None], np.ones_like(targets), weights) if start is None else start
    for _ in range(repeats):
        predicted = np.maximum(np.einsum("bnp,bp->bn", basis, c), TINY)
        residuals = targets - np.log(predicted)
        c_new = nonnegative(basis / predicted[..., None], residuals + 1.0, weights * _robust(residuals, deltas))
        usable = np.isfinite(c_new).all(axis=1) & (c_new.sum(axis=1) > 0)
        c = np.where(usable[:, None], c_new, c)
    return c


def nonnegative(rows: Floats, target: Floats, weights: Floats) -> Floats:
    """argmin over c >= 0 of sum_i w_i (t_i - rows_i c)^2 for each of B problems, by all sets of non-zero entries."""
    p = rows.shape[2]
    weighted = rows * weights[..., None]
    gram = np.einsum("bnp,bnr->bpr", weighted, rows)
    right = np.einsum("bnp,bn->bp", weighted, target)
    best: Floats = np.zeros_like(right)
    gain = np.zeros(len(rows))
    scale = np.sqrt(np.maximum(np.einsum("bpp->bp", gram), TINY))
    for size in range(1, p + 1):
        for kept in combinations(range(p), size):
            own = list(kept)
            scaled = gram[:, own][:, :, own] / (scale[:, own, None] * scale[:, None, own]) + RIDGE * np.eye(size)
            c = _solved(scaled, right[:, own] / scale[:, own])
            reached = np.einsum("bp,bp->b", c, right[:, own] / scale[:, own])
            taken = (c >= 0).all(axis=1) & (reached > gain)
            gain = np.where(taken, reached, gain)
            full: Floats = np.zeros_like(right)
            full[:, own] = c / scale[:, own]
            best = np.where(taken[:, None], full, best)
    return best


def _regressed(inner: Floats, outer: Floats) -> Floats:
    """Coefficients (B, p, q) of the regression of outer (B, n, q) on inner (B, n, p), whose columns may be zero."""
    length = np.sqrt(np.maximum(np.einsum("bnp,bnp->bp", inner, inner), TINY))
    unit = inner / length[:, None, :]
    gram = np.einsum("bnp,bnr->bpr", unit, unit) + RIDGE * np.eye(inner.shape[2])
    found: Floats = _solved_all(gram, np.einsum("bnp,bnq->bpq", unit, outer)) / length[..., None]
    return found


def _solved(matrix: Floats, right: Floats) -> Floats:
    found: Floats = _solved_all(matrix, right[..., None])[..., 0]
    return found


def _solved_all(matrix: Floats, right: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:  # one of the problems is singular: the smallest solution for all
        return np.asarray(np.linalg.pinv(matrix, rcond=1e-12) @ right, dtype=np.float64)


def _robust(residuals: Floats, deltas: Floats) -> Floats:
    """rho'(r) / r."""
    kept: Floats = np.minimum(1.0, deltas / np.maximum(np.abs(residuals), TINY))
    return kept


def _objective(basis: Floats, c: Floats, targets: Floats, weights: Floats, deltas: Floats) -> Floats:
    predicted = np.maximum(np.einsum("bnp,bp->bn", basis, c), TINY)
    value: Floats = np.sum(weights * huber(targets - np.log(predicted), deltas), axis=1)
    return value


def _step(
    law: Law,
    logs: Floats,
    shift: Floats,
    theta: Floats,
    c: Floats,
    targets: Floats,
    weights: Floats,
    deltas: Floats,
    damping: Floats,
    bounds: tuple[Floats, Floats],
) -> Floats:
    """A step of theta (B, q), in logarithms of the constants; what a bound stops is left out."""
    basis = real_basis(law, theta, logs, shift)
    predicted = np.maximum(np.einsum("bnp,bp->bn", basis, c), TINY)
    residuals = targets - np.log(predicted)
    root = np.sqrt(weights * _robust(residuals, deltas))
    slopes = derivatives(lambda at: np.einsum("bnp,bp->bn", law.basis(at, logs, shift), c), theta)  # (B, n, q)
    outer = slopes / predicted[..., None] * theta[:, None, :] * root[..., None]
    inner = basis / predicted[..., None] * root[..., None] * (c > 0)[:, None, :]
    projected = outer - inner @ _regressed(inner, outer)
    gradient = np.einsum("bnq,bn->bq", projected, residuals * root)
    held = ((theta <= bounds[0]) & (gradient < 0)) | ((theta >= bounds[1]) & (gradient > 0))
    projected = projected * ~held[:, None, :]
    normal = np.einsum("bnq,bnr->bqr", projected, projected)
    diagonal = np.einsum("bqq->bq", normal)
    ridge = damping[:, None] * np.maximum(diagonal, 1e-12 * np.max(diagonal, axis=1, keepdims=True)) + TINY
    step = _solved(normal + ridge[..., None] * np.eye(normal.shape[1]), gradient * ~held)
    stretched: Floats = theta * np.expm1(np.clip(step, -1.5, 1.5))
    return stretched


def derivatives(function: Callable[[Numbers], Numbers], theta: Floats) -> Floats:
    """d function_i / d theta_j, (B, n, q), by complex steps."""
    columns = []
    for j in range(theta.shape[1]):
        shifted = theta.astype(np.complex128)
        shifted[:, j] += 1j * STEP
        columns.append(np.imag(function(shifted)) / STEP)
    return np.stack(columns, axis=2)
