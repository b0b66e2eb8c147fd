"""Fits of all mixtures of a table of runs: one law, paired draws, and what rolling validation says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixval.errors import ConfigError, NumericalError
from mixval.scaling.choosing import DELTAS, Candidate, choose, laws_for
from mixval.scaling.fitting import Fit, fit_law
from mixval.scaling.folds import rolling_folds
from mixval.scaling.laws import LAWS, Floats
from mixval.scaling.prediction import LEVEL, MOST_FACTOR, Interval, Widening, intervals, widening
from mixval.scaling.resampling import DRAWS, Draws, conditions_of, redraw, residual_correlation, shared_noise
from mixval.scaling.runs import Runs
from mixval.scaling.table_checks import check_runs

FEW_AT_BEST = 0.5
"""Share of starts at the best minimum below which a fit is called doubtful."""


@dataclass(frozen=True)
class Fitted:
    """One mixture's law."""

    runs: Runs
    fit: Fit
    draws: Draws
    wide: Widening
    warnings: tuple[str, ...]

    def axes_beyond(self, columns: dict[str, Floats]) -> list[str]:
        """Inputs in which a point lies outside the fitted runs."""
        return [name for name in self.fit.law.inputs if _ratio(self.runs.columns[name], columns[name]) > 1]

    def too_far(self, columns: dict[str, Floats], most_factor: float = MOST_FACTOR) -> str:
        """Why nothing is said of a point (1,), in words; empty where something is."""
        for name in self.fit.law.inputs:
            ratio = _ratio(self.runs.columns[name], columns[name])
            if ratio > most_factor:
                value = float(columns[name][0])
                return f"{name} {value:.4g} is {ratio:.3g} times beyond the runs; the limit is {most_factor:g}"
        return ""

    def predict(
        self,
        columns: dict[str, Floats],  # (1,) each
        most_factor: float = MOST_FACTOR,
        generator: np.random.Generator | None = None,
    ) -> Interval | None:
        """The loss there, of a run where a generator is given, else of the law's mean; None where it is too far to say."""
        if self.too_far(columns, most_factor):
            return None
        return intervals(self.draws, columns, self.wide, self.axes_beyond(columns), generator)[0]


@dataclass(frozen=True)
class Study:
    """All mixtures of a table."""

    mixtures: tuple[Fitted, ...]
    candidates: tuple[Candidate, ...]
    """The chosen law and delta first."""
    correlation: float
    """Of the noise of equal conditions in two mixtures."""


def study(tables: Sequence[Runs], law: str = "auto", delta: float | None = None, n_draws: int = DRAWS, seed: int = 0) -> Study:
    """The laws of all mixtures. Raises as `check_runs` and `choose` do, and ConfigError for a law that is none."""
    warned = [check_runs(runs) for runs in tables]
    offered = tuple(LAWS) if law == "auto" else (law,)
    if law != "auto" and law not in LAWS:
        raise ConfigError(f"law: expected auto, {', '.join(LAWS)}, found {law!r}. Choose one of them.")
    fitting = laws_for(tables[0].columns) if law == "auto" else offered
    data = [(runs.columns, runs.losses) for runs in tables]
    candidates = choose(fitting, data, DELTAS if delta is None else (delta,))
    best = candidates[0]
    fits = [fit_law(best.law, columns, losses, best.delta) for columns, losses in data]
    conditions = [conditions_of(fit, runs.columns) for fit, runs in zip(fits, tables, strict=True)]
    correlation = residual_correlation(fits, conditions)
    generator = np.random.default_rng(seed)
    shared = shared_noise(conditions, generator, n_draws)
    found = []
    for runs, fit, noise, warnings in zip(tables, fits, shared, warned, strict=True):
        draws = redraw(fit, runs.columns, generator, n_draws, noise, correlation)
        wide = widening(best.law, best.delta, runs.columns, runs.losses, rolling_folds(runs.columns), generator)
        found.append(Fitted(runs, fit, draws, wide, (*warnings, *_doubts(runs.mixture, fit, wide))))
    return Study(tuple(found), tuple(candidates), correlation)


def spread(values: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Central interval of draws. Raises NumericalError where most of them failed."""
    usable = values[np.isfinite(values)]
    if len(usable) * 2 < len(values):
        raise NumericalError(
            f"interval: expected most of {len(values)} draws to be finite, found {len(usable)}. Add runs, or choose a law with "
            "fewer numbers."
        )
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _doubts(mixture: str, fit: Fit, wide: Widening) -> list[str]:
    words = [f"{mixture}: a bound stops the fit: {one}" for one in fit.at_bounds]
    if fit.share_at_best < FEW_AT_BEST:
        words.append(f"{mixture}: only {fit.share_at_best:.0%} of {fit.n_starts} starts end at the best minimum")
    if not any(wide.n_folds.values()):
        words.append(f"{mixture}: too few runs for rolling validation; intervals hold only as far as the law does")
    return words


def _ratio(fitted: Floats, asked: Floats) -> float:
    """How many times beyond the largest, or below the smallest; at most 1 within."""
    value = float(asked[0])
    return max(value / float(fitted.max()), float(fitted.min()) / value)
