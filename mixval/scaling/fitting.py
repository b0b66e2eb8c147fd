"""One law fitted to a table of runs from many starting points, with what tells whether the fit can be trusted."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.scaling.laws import Floats, Law
from mixval.scaling.solving import Solved, real_basis, solve

SAME_OBJECTIVE = 1.01
"""Starts whose objective is within 1 % of the best end there."""
AT_BOUND = 1e-3
"""Relative distance from a bound at which a constant counts as stopped by it."""
FLOOR = 1e-12
"""Of the objective a run: data without noise have none, and then all starts below it end at the best."""


@dataclass(frozen=True)
class Fit:
    """A fitted law."""

    law: Law
    shift: Floats  # (inputs,)
    theta: Floats  # (q,)
    coefficients: Floats  # (p,), of the shifted inputs
    delta: float
    """Huber's delta, of log loss; infinite for least squares."""
    objective: float
    """Sum over runs."""
    n_starts: int
    share_at_best: float
    """Share of the starts that end within 1 % of the best objective."""
    at_bounds: tuple[str, ...]
    """Names of what a bound stops, such as `beta >= 3`; `E = 0` where the asymptote vanishes."""
    residuals: Floats  # (n,), log loss less log prediction
    sigma: float
    """Standard deviation of log loss about the law, with degrees of freedom taken off."""

    @property
    def named(self) -> dict[str, float]:
        """All that is fitted, in the table's units."""
        found = self.law.named(self.theta[None], self.coefficients[None], self.shift)
        return {name: float(value[0]) for name, value in found.items()}

    def predict(self, columns: dict[str, Floats]) -> Floats:
        """Losses, (m,), at these inputs."""
        losses: Floats = predicted(self.law, self.shift, self.theta[None], self.coefficients[None], columns)[0]
        return losses


def predicted(law: Law, shift: Floats, theta: Floats, coefficients: Floats, columns: dict[str, Floats]) -> Floats:
    """Losses, (B, m), of B fitted laws at m inputs."""
    basis = real_basis(law, theta, logs_of(law, columns) - shift, shift)
    losses: Floats = np.einsum("bmp,bp->bm", basis, coefficients)
    return losses


def logs_of(law: Law, columns: dict[str, Floats]) -> Floats:
    """Logarithms of the law's inputs, (n, inputs)."""
    if missing := [name for name in law.inputs if name not in columns]:
        raise ShapeError(f"law {law.name}: expected columns {', '.join(law.inputs)}, found no {', '.join(missing)}. Name them.")
    logs: Floats = np.log(np.stack([np.asarray(columns[name], dtype=float) for name in law.inputs], axis=1))
    return logs


def starts(law: Law) -> Floats:
    """All combinations of the starts of its constants, (B, q)."""
    return np.array(list(itertools.product(*(one.starts for one in law.constants))))


def few_starts(law: Law) -> Floats:
    """Combinations of an inner start or two of each constant: enough where many fits are only compared."""
    return np.array(list(itertools.product(*(one.starts[len(one.starts) // 3 :: 2] for one in law.constants))))


def around(fit: Fit) -> Floats:
    """The fit's constants, and all of them half and twice as large, (3, q)."""
    return np.stack([fit.theta, fit.theta / 2, fit.theta * 2])


def fit_law(
    law: Law,
    columns: dict[str, Floats],
    losses: Floats,
    delta: float = np.inf,
    begun: Floats | None = None,  # (S, q)
) -> Fit:
    """The best of the minima from all starts, or from those given.

    Raises ShapeError for fewer runs than the law has numbers to fit, and
    NumericalError where no start leads anywhere.
    """
    n = len(losses)
    if n <= law.n_fitted:
        raise ShapeError(
            f"law {law.name}: expected more than {law.n_fitted} runs, one for each fitted number and one to judge by, found "
            f"{n}. Add runs, or choose a law with fewer numbers."
        )
    logs = logs_of(law, columns)
    shift = logs.mean(axis=0)
    begun = starts(law) if begun is None else begun
    many = len(begun)
    targets = np.log(losses)
    found = solve(law, logs - shift, shift, np.tile(targets, (many, 1)), np.ones((many, n)), np.full(many, delta), begun)
    if not np.isfinite(found.objective).any():
        raise NumericalError(f"law {law.name}: expected a minimum, found none from {many} starts. Check the columns' units.")
    best = int(np.nanargmin(found.objective))
    limit = max(SAME_OBJECTIVE * found.objective[best], FLOOR * n)
    theta, coefficients = found.theta[best], found.coefficients[best]
    residuals = targets - np.log(predicted(law, shift, theta[None], coefficients[None], columns)[0])
    return Fit(
        law=law,
        shift=shift,
        theta=theta,
        coefficients=coefficients,
        delta=delta,
        objective=float(found.objective[best]),
        n_starts=many,
        share_at_best=float(np.mean(found.objective <= limit)),
        at_bounds=_stopped(law, theta, coefficients),
        residuals=residuals,
        sigma=_sigma(residuals, law.n_fitted),
    )


def _sigma(residuals: Floats, n_fitted: int) -> float:
    """Root mean square of the residuals, those beyond three robust deviations cut there, over the degrees of freedom."""
    n = len(residuals)
    free = max(n - n_fitted, 1)
    middle = 1.4826 * float(np.median(np.abs(residuals))) * np.sqrt(n / free)
    cut = np.clip(residuals, -3 * middle, 3 * middle) if middle > 0 else residuals
    return float(np.sqrt(np.sum(cut**2) / free))


def _stopped(law: Law, theta: Floats, coefficients: Floats) -> tuple[str, ...]:
    words = []
    for value, one in zip(theta, law.constants, strict=True):
        if value <= one.low * (1 + AT_BOUND):
            words.append(f"{one.name} <= {one.low:g}")
        if value >= one.high * (1 - AT_BOUND):
            words.append(f"{one.name} >= {one.high:g}")
    vanished = [f"coefficient {j} = 0" if j else "E = 0" for j, value in enumerate(coefficients) if value <= 0]
    return (*words, *vanished)


def refitted(fit: Fit, columns: dict[str, Floats], targets: Floats) -> Solved:
    """The law fitted again to B sets of log losses (B, n), each from the best of the starts around the fit."""
    law, logs = fit.law, logs_of(fit.law, columns) - fit.shift
    begun = around(fit)
    many, each = len(targets), len(begun)
    found = solve(
        law,
        logs,
        fit.shift,
        np.repeat(targets, each, axis=0),
        np.ones((many * each, targets.shape[1])),
        np.full(many * each, fit.delta),
        np.tile(begun, (many, 1)),
    )
    best = np.argmin(found.objective.reshape(many, each), axis=1) + each * np.arange(many)
    return Solved(found.theta[best], found.coefficients[best], found.objective[best])
