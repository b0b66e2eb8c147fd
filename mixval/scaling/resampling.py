"""Refitted laws that a repetition of the same runs could have given: what intervals are made from.

Draw b sets the noise of a run to sigma_b eps_i, with sigma_b^2 = sigma^2 f / chi2_f for the f degrees of freedom that the fit
leaves (few runs say little about their own noise), adds it to the fitted log losses, and fits again. It keeps every size and
budget in each draw, which resampled runs do not: three to five of them is all that many tables have.

Paired over mixtures: runs of the same size and data share a part of their noise where residuals say so. eps_i = sqrt(r) u_i +
sqrt(1 - r) w_i, u_i one for all mixtures, r the mean correlation of residuals between mixtures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mixval.scaling.fitting import Fit, logs_of, predicted, refitted
from mixval.scaling.laws import Floats

DRAWS = 1_000
LEAST_SHARED = 4
"""Conditions that two mixtures must share before their residuals' correlation is taken."""


@dataclass(frozen=True)
class Draws:
    """Refitted laws."""

    fit: Fit
    theta: Floats  # (R, q)
    coefficients: Floats  # (R, p)
    sigma: Floats  # (R,)

    @property
    def named(self) -> dict[str, Floats]:
        """All that is fitted, in the table's units, (R,) each."""
        return self.fit.law.named(self.theta, self.coefficients, self.fit.shift)

    def predict(self, columns: dict[str, Floats]) -> Floats:
        """Losses, (R, m)."""
        return predicted(self.fit.law, self.fit.shift, self.theta, self.coefficients, columns)


def redraw(
    fit: Fit,
    columns: dict[str, Floats],
    generator: np.random.Generator,
    n_draws: int = DRAWS,
    shared: Floats | None = None,  # (R, n), the u_i of these runs
    correlation: float = 0.0,
) -> Draws:
    """The law fitted to `n_draws` repetitions of its runs."""
    n = len(fit.residuals)
    free = max(n - fit.law.n_fitted, 1)
    sigma = fit.sigma * np.sqrt(free / generator.chisquare(free, n_draws))
    noise = generator.standard_normal((n_draws, n))
    if shared is not None:
        noise = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * noise
    middle = np.log(fit.predict(columns))
    targets = middle + sigma[:, None] * noise
    found = refitted(fit, columns, targets)
    return Draws(fit, found.theta, found.coefficients, sigma)


def shared_noise(conditions: Sequence[Floats], generator: np.random.Generator, n_draws: int = DRAWS) -> list[Floats]:
    """u_i of each mixture's runs, (R, n) each: equal where the conditions, rows of (n, inputs), are equal."""
    every, places = np.unique(np.concatenate(conditions), axis=0, return_inverse=True)
    drawn = generator.standard_normal((n_draws, len(every)))
    ends = np.cumsum([len(one) for one in conditions])[:-1]
    return [drawn[:, own] for own in np.split(places.ravel(), ends)]


def residual_correlation(fits: Sequence[Fit], conditions: Sequence[Floats]) -> float:
    """Mean correlation of residuals of equal conditions over pairs of mixtures, at least 0; 0 where too few are shared."""
    means = []
    for fit, rows in zip(fits, conditions, strict=True):
        every, places = np.unique(rows, axis=0, return_inverse=True)
        summed = np.bincount(places.ravel(), fit.residuals, len(every))
        means.append(dict(zip(map(tuple, every), summed / np.bincount(places.ravel()), strict=True)))
    found = []
    for one, other in combinations(means, 2):
        common = sorted(set(one) & set(other))
        x, y = (np.array([mean[key] for key in common]) for mean in (one, other))
        if len(common) >= LEAST_SHARED and np.any(x) and np.any(y):
            found.append(float(x @ y / np.sqrt((x @ x) * (y @ y))))
    return float(np.clip(np.mean(found), 0.0, 0.95)) if found else 0.0


def conditions_of(fit: Fit, columns: dict[str, Floats]) -> Floats:
    """What makes two runs the same condition: the law's inputs, to nine digits in their logarithm."""
    return np.round(logs_of(fit.law, columns), 9)
