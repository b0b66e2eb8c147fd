"""Measured errors over rows beside the exact curve of Lemma 1 for finitely many classes, and what can be told from them.

The lemma counts a class as known once a row of it was drawn. A model needs more. Let each row teach its class with chance 1/m,
and let a known class be answered right with chance a: with e(n) the exact curve, of expected errors under the same weighting,

    E(n) = 1 - a (1 - e(n / m))

since thinned draws are draws of a sample m times smaller. a and m >= 1 are fitted by least squares; the lemma is a = m = 1.
Letters: J sizes, S replicates, C classes by rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixval.scaling.effective_rows import exchange
from mixval.scaling.expected_error import excess, expected_error
from mixval.scaling.knowledge import Mixture
from mixval.scaling.laws import Floats
from mixval.scaling.phases import breakpoints
from mixval.scaling.segments import Breakpoints, find_breakpoints

LEVEL = 0.9
TINY = 1e-12
"""Error of the exact curve below which it counts as none."""
DRAWS = 200
MOST_NEEDED, PLACES = 1e4, 241
"""Largest m that is tried, and how many."""
DEVIATIONS = 2.0
"""Deviations of noise that a difference must exceed to be seen."""


@dataclass(frozen=True)
class Level:
    """a and m, with intervals from redrawn residuals, and how far the fitted curve is off."""

    right: tuple[float, float, float]
    """a: value, low, high."""
    needed: tuple[float, float, float]
    """m, likewise."""
    misfit: float
    """Root mean square of measured less fitted errors."""


@dataclass(frozen=True)
class Curve:
    """One weighting of the test."""

    errors: Floats  # (S, J)
    exact: Floats  # (J,), the lemma's
    level: Level
    places: tuple[float | None, float | None]
    """Where the exact curve bends: half-way places of the exchange (`mixval/scaling/effective_rows.py`)."""
    broken: Breakpoints
    """Fitted to the measured means."""
    broken_exact: Breakpoints
    """Fitted to the exact curve at the same sizes: what such a fit finds without noise."""
    bend: float
    """Fall of the exact curve from k^beta to k^beta / pi."""
    noise: float
    """`DEVIATIONS` deviations of a measured difference: of the test's rows, and between replicates."""

    @property
    def is_visible(self) -> bool:
        """Whether the stretch between the breakpoints stands out of the noise."""
        return self.bend > self.noise


def curve(sizes: Floats, by_class: Floats, n_test: Floats, mixture: Mixture, is_balanced: bool, seed: int) -> Curve:
    """The curve of errors by class (S, J, C), of tests with `n_test` rows a class (S, C), under equal weights or p."""
    ranks = np.arange(1, by_class.shape[2] + 1, dtype=float)
    weights = np.full(len(ranks), 1 / len(ranks)) if is_balanced else mixture.p(ranks)
    errors = by_class @ weights
    draw = np.random.default_rng(seed)
    exact = expected_error(mixture, sizes, None, is_balanced)
    ends = expected_error(mixture, np.array(breakpoints(mixture)), None, is_balanced)
    return Curve(
        errors=errors,
        exact=exact,
        level=fit_level(sizes, errors.mean(axis=0), mixture, is_balanced, draw),
        places=_places(mixture, is_balanced),
        broken=find_breakpoints(sizes, np.maximum(errors.mean(axis=0), _least(n_test)), draw, DRAWS),
        broken_exact=find_breakpoints(sizes, np.maximum(exact, TINY), draw, DRAWS),
        bend=float(ends[0] - ends[1]),
        noise=_noise(errors, by_class, n_test, weights),
    )


def fit_level(sizes: Floats, errors: Floats, mixture: Mixture, is_balanced: bool, draw: np.random.Generator) -> Level:
    """a and m by least squares of mean errors (J,); intervals from redrawn residuals."""
    needed = np.geomspace(1.0, MOST_NEEDED, PLACES)
    rows = sizes / needed[:, None]
    known = 1 - expected_error(mixture, rows.ravel(), None, is_balanced).reshape(rows.shape)  # (M, J)
    at, right = _nearest(known, 1 - errors[None])
    found = right[0] * known[at[0]]
    deviation = float(np.sqrt(np.sum((1 - errors - found) ** 2) / max(len(sizes) - 2, 1)))
    drawn_at, drawn_right = _nearest(known, found + deviation * draw.standard_normal((DRAWS, len(sizes))))
    return Level(
        right=(float(right[0]), *_edges(drawn_right)),
        needed=(float(needed[at[0]]), *_edges(needed[drawn_at])),
        misfit=float(np.sqrt(np.mean((1 - errors - found) ** 2))),
    )


def levelled(rows: Floats, mixture: Mixture, is_balanced: bool, right: float, needed: float) -> Floats:
    """E(n) with a and m."""
    error: Floats = 1 - right * (1 - expected_error(mixture, rows / needed, None, is_balanced))
    return error


def _edges(drawn: Floats) -> tuple[float, float]:
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _nearest(known: Floats, targets: Floats) -> tuple[np.ndarray, Floats]:
    """The place (R,) among curves (M, J) and the factor (R,), from 0 to 1, that come nearest to each target (R, J)."""
    length = np.sum(known**2, axis=1)
    factors = np.clip(targets @ known.T / length, 0.0, 1.0)  # (R, M)
    squares = np.sum(targets**2, axis=1)[:, None] - 2 * factors * (targets @ known.T) + factors**2 * length
    at = np.argmin(squares, axis=1)
    return at, factors[np.arange(len(targets)), at]


def _places(mixture: Mixture, is_balanced: bool) -> tuple[float | None, float | None]:
    alone = Mixture(mixture.beta, 1.0, mixture.generator, mixture.n_items)
    found = exchange(lambda n: excess(mixture, n, is_balanced=is_balanced), lambda n: excess(alone, n, is_balanced=is_balanced))
    return found.first, found.second


def _least(n_test: Floats) -> float:
    """Half a wrong row, in the place of no error at all, which has no logarithm."""
    return float(0.5 / n_test.sum(axis=1).max())


def _noise(errors: Floats, by_class: Floats, n_test: Floats, weights: Floats) -> float:
    """Of the mean over replicates at one size, times the root of two for a difference of two sizes."""
    n_replicates = len(errors)
    smoothed = (by_class * n_test[:, None] + 0.5) / (n_test[:, None] + 1)  # few rows without an error are no certainty
    of_test = np.sum(weights**2 * smoothed * (1 - smoothed) / n_test[:, None], axis=2).mean()
    between = errors.var(axis=0, ddof=1).mean() / n_replicates if n_replicates > 1 else 0.0
    return float(DEVIATIONS * np.sqrt(2 * (of_test + between)))
