"""What mixed rows are worth in real ones, and where that changes: breakpoints that need no power law.

    E_mixed(n) = E_real(m(n)),   exchange(n) = d log m / d log n

m(n) is how many real rows give the error of n mixed ones. While synthetic rows still bring pieces that are unseen, m grows as n
does; when they bring none, m stands still; when real rows alone count, m = pi n, and it grows again. So for Zipf's law cut at a
rank the exchange is the slope over the slope far away, and its half-way places are those of `phases.py`; but it is also defined
for finitely many pieces, for counts, and for soft truncation. Errors are taken less the floor that no data removes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixval.errors import ShapeError
from mixval.scaling.expected_error import excess
from mixval.scaling.knowledge import Generator, Mixture
from mixval.scaling.laws import Floats

Curve = Callable[[Floats], Floats]
"""Rows (J,) -> error less its floor (J,), falling."""
FIRST_ROWS, LAST_ROWS, GRID = 20.0, 1e13, 300
HALF = 0.5
LEAST_ERROR = 1e-12
"""Errors below it are rounding."""
EDGE = 4
"""Points at the end of the real curve that nothing is read off: errors of finitely many pieces fall too fast there."""


@dataclass(frozen=True)
class Exchange:
    """What mixed rows are worth along n."""

    n: Floats  # (J,)
    effective: Floats  # (J,), m(n)
    rate: Floats  # (J,), d log m / d log n
    lowest: float
    """The lowest rate between the ends."""
    lowest_at: float
    first: float | None
    """Where the rate falls below one half, for good until the lowest; None where it never does."""
    second: float | None
    """Where it comes back; None where it never was lower, or does not."""
    turn: float | None
    """Where the rate is midway between its lowest and 1, after the lowest: soft truncation has that bend alone."""


def exchange(mixed: Curve, real: Curve) -> Exchange:
    """m(n) and its breakpoints. Raises ShapeError for curves that do not fall."""
    rows = np.geomspace(FIRST_ROWS, LAST_ROWS, GRID)
    errors, reference = mixed(rows), real(rows)
    usable = (errors > LEAST_ERROR) & (errors <= reference[0])
    known = reference > LEAST_ERROR
    if usable.sum() < 3 or known.sum() < 3 or np.any(np.diff(reference[known]) >= 0):
        raise ShapeError("exchange: expected errors that fall with the rows, found others. Give shares of more pieces.")
    n = rows[usable]
    effective = np.exp(np.interp(-np.log(errors[usable]), -np.log(reference[known]), np.log(rows[known])))
    inside = effective < rows[known][-EDGE]
    n, effective = n[inside], effective[inside]
    rate = np.gradient(np.log(effective), np.log(n))
    low = int(np.argmin(rate))
    first = _place(n[: low + 1], rate[: low + 1], HALF)
    back = n[low:][::-1], rate[low:][::-1]
    second = None if first is None else _place(*back, HALF)
    turn = _place(*back, (1 + float(rate[low])) / 2)
    return Exchange(n, effective, rate, float(rate[low]), float(n[low]), first, second, turn)


def of_mixture(mixture: Mixture) -> Exchange:
    """The same of Zipf's law."""
    alone = Mixture(mixture.beta, 1.0, mixture.generator, mixture.n_items)
    return exchange(lambda n: excess(mixture, n), lambda n: excess(alone, n))


def of_shares(p: Floats, generator: Generator, real: float) -> Exchange:
    """The same of shares of any form, largest first, that sum to 1, as `tail_counts.shares` makes them."""
    return exchange(lambda n: _left(p, generator, real, n), lambda n: _left(p, generator, 1.0, n))


def _left(p: Floats, generator: Generator, real: float, n: Floats) -> Floats:
    """Share of real data that stays unseen, (J,)."""
    rows = np.asarray(n, dtype=float)[:, None]
    if generator.kind == "finite":
        held = generator.at
        hazard = rows * real * p - held * p * np.expm1(-rows * (1 - real) / held)
    else:
        q = np.minimum(real * p + (1 - real) * synthetic_shares(p, generator), 1 - 1e-16)
        hazard = -rows * np.log1p(-q)
    left: Floats = np.exp(-hazard) @ p
    return left


def synthetic_shares(p: Floats, generator: Generator) -> Floats:
    """p' of shares p, largest first. Raises ShapeError for a finite sample, whose p' is drawn."""
    if generator.kind == "finite":
        raise ShapeError("synthetic shares: expected cut, temperature or top-p, found finite: its shares are drawn.")
    if generator.kind == "temperature":
        heated = (p / p.max()) ** (1 / generator.at)
        made: Floats = heated / heated.sum()
        return made
    kept = generator.at if generator.kind == "cut" else float(np.searchsorted(np.cumsum(p), generator.at * (1 - 1e-12)) + 1)
    head = np.where(np.arange(1, len(p) + 1) <= kept, p, 0.0)
    cut: Floats = head / head.sum()
    return cut


def _place(n: Floats, rate: Floats, level: float) -> float | None:
    """Where the rate crosses a level nearest to the last of these rows, straight in log n."""
    above = np.flatnonzero(rate >= level)
    if rate[-1] >= level or not len(above):
        return None
    at = int(above[-1])
    share = (rate[at] - level) / (rate[at] - rate[at + 1])
    return float(np.exp(np.log(n[at]) + share * (np.log(n[at + 1]) - np.log(n[at]))))
