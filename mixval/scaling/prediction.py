"""Losses of planned runs with intervals, and where a fit cannot say.

    log L in  f + kappa_axis (f_b - f) + sigma_b eps,   b over draws (`resampling.py`)

kappa widens what noise alone gives by what rolling validation found: fits to smaller runs missed larger ones by z times the
deviation that their own draws gave, and along each axis kappa^2 = (4 + sum of z^2 over folds) / (1 + number of folds), at least
1, times Student's quantile over the normal one, since folds are few. The 4 stands for one fold as public tables of runs have
them: a law is only nearly true, and misses larger runs by about twice what noise explains. Within the runs nothing is widened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from mixval.scaling.fitting import few_starts, fit_law
from mixval.scaling.folds import Fold
from mixval.scaling.laws import Floats, Law
from mixval.scaling.resampling import Draws, redraw

LEVEL = 0.9
FOLD_DRAWS = 120
EXPECTED_SQUARE = 4.0
"""z^2 before any fold is seen (docs/scaling.md has what it was found on)."""
MOST_FACTOR = 4.0
"""Beyond this multiple of the largest input that was fitted, and below that fraction of the smallest, nothing is said."""


@dataclass(frozen=True)
class Widening:
    """kappa along each axis, and from how many folds."""

    kappa: dict[str, float]
    n_folds: dict[str, int]


@dataclass(frozen=True)
class Interval:
    """A prediction."""

    value: float
    low: float
    high: float


def widening(
    law: Law,
    delta: float,
    columns: dict[str, Floats],
    losses: Floats,
    folds: Sequence[Fold],
    generator: np.random.Generator,
) -> Widening:
    """kappa from rolling validation; an axis without folds has what is expected before any is seen."""
    squares: dict[str, list[float]] = {axis: [] for axis in law.inputs}
    for fold in folds:
        if fold.fitted.sum() <= law.n_fitted:
            continue
        small = {name: values[fold.fitted] for name, values in columns.items()}
        large = {name: values[fold.predicted] for name, values in columns.items()}
        fit = fit_law(law, small, losses[fold.fitted], delta, few_starts(law))
        draws = redraw(fit, small, generator, FOLD_DRAWS)
        middle = np.log(fit.predict(large))
        spread = np.mean((np.log(draws.predict(large)) - middle) ** 2, axis=0) + fit.sigma**2
        squares.setdefault(fold.axis, []).append(float(np.mean((np.log(losses[fold.predicted]) - middle) ** 2 / spread)))
    kappa = {
        axis: float(np.sqrt(max(1.0, (EXPECTED_SQUARE + sum(found)) / (1 + len(found))))) for axis, found in squares.items()
    }
    return Widening(kappa, {axis: len(found) for axis, found in squares.items()})


def intervals(
    draws: Draws,
    columns: dict[str, Floats],
    wide: Widening,
    axes: Sequence[str],
    generator: np.random.Generator | None = None,
    level: float = LEVEL,
) -> list[Interval]:
    """Of each input: of a run's loss with a generator for its noise, else of the law's mean. `axes` are those extrapolated."""
    middle = np.log(draws.fit.predict(columns))
    away = np.log(draws.predict(columns)) - middle
    if generator is not None:
        away = away + draws.sigma[:, None] * generator.standard_normal(away.shape)
    away *= stretch(wide, axes, level)
    low, high = np.quantile(away, [(1 - level) / 2, (1 + level) / 2], axis=0)
    rows = zip(np.exp(middle), np.exp(middle + low), np.exp(middle + high), strict=True)
    return [Interval(float(value), float(min(a, value)), float(max(b, value))) for value, a, b in rows]


def stretch(wide: Widening, axes: Sequence[str], level: float = LEVEL) -> float:
    """The largest kappa of the axes with Student's quantile in place of the normal one; 1 without axes."""
    found = [(wide.kappa[axis], wide.n_folds[axis]) for axis in axes if axis in wide.kappa]
    if not found:
        return 1.0
    kappa, n_folds = max(found)
    middle = (1 + level) / 2
    return float(kappa * special.stdtrit(max(n_folds, 1) + 1, middle) / special.ndtri(middle))
