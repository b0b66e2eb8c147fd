"""How far values of coalitions, and differences between them, may be off because of the rows of contributors and of the target.

Letters: n contributors; R replicates; m rows of T.

Coalitions share rows of T, and of contributors that are in several, and replicate r has the same multipliers for a row in all
of them (`regression_coalitions.py`): what they have in common cancels in a difference, replicate by replicate. Redundancies are
differences of n (n - 1) / 2 more coalitions; of more contributors than `MOST_PAIRED` theirs are by T's rows alone, from the
standard error of the mean over rows of the same difference on each row. So are all without replicates. Eq. 8 has neither
effects of rows nor values on single rows, and its coalitions have no errors.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixval.terms.replicates import interval
from mixval.valuation.eq8_coalitions import Eq8Game
from mixval.valuation.estimates import Floats
from mixval.valuation.regression_coalitions import RegressionGame
from mixval.valuation.shapley import Members

MOST_PAIRED = 12
"""Contributors up to which all pairs have errors by replicates: 66 coalitions more, of which each needs a factor in float64."""


def pair_errors(game: RegressionGame | Eq8Game, n: int) -> dict[str, Floats]:
    """`leave_one_out_errors` (n,) and `redundancy_errors` (n, n), 0 on the diagonal; empty by Eq. 8."""
    if not isinstance(game, RegressionGame):
        return {}
    everybody, places = np.ones(n, dtype=np.bool_), np.arange(n)
    without = [everybody & (places != k) for k in range(n)]
    errors = np.zeros((n, n))
    for a, b in itertools.combinations(range(n), 2):
        pair = [without[a], without[b], everybody, without[a] & without[b]]
        errors[a, b] = errors[b, a] = error_of(game, pair, [1, 1, -1, -1], by_rows=n <= MOST_PAIRED)
    return {
        "leave_one_out_errors": np.array([error_of(game, [everybody, rest], [1, -1]) for rest in without]),
        "redundancy_errors": errors,
    }


def step_spreads(game: RegressionGame | Eq8Game, order: NDArray[np.int64], n: int, confidence: float) -> dict[str, Floats]:
    """(steps,) `low` and `high` of the coalitions that open an order, NaN where unknown, and `gain_errors` of what a step adds.

    By Eq. 8 without the latter.
    """
    steps = [np.isin(np.arange(n), order[:taken]) for taken in range(len(order) + 1)]
    low, high = value_intervals(game, steps[1:], confidence).T
    if not isinstance(game, RegressionGame):
        return {"low": low, "high": high}
    errors = np.array([error_of(game, pair, [-1, 1]) for pair in itertools.pairwise(steps)])
    return {"low": low, "high": high, "gain_errors": errors}


def error_of(game: RegressionGame, coalitions: Sequence[Members], signs: Sequence[int], by_rows: bool = True) -> float:
    """Standard error of a sum of values of coalitions; by the rows of contributors and T, or else by those of T alone.

    Infinite where it is unknown.
    """
    known = [game.deviations(one) for one in coalitions] if by_rows else []
    shifts = [one for one in known if one is not None]
    if shifts:
        spread = float(np.sum([sign * one for sign, one in zip(signs, shifts, strict=True)], axis=0).std(ddof=1))
        return spread if np.isfinite(spread) else float("inf")
    return game.error(np.sum([sign * game.rows(one) for sign, one in zip(signs, coalitions, strict=True)], axis=0))


def known_interval(game: RegressionGame | Eq8Game, members: Members, confidence: float) -> tuple[float | None, float | None]:
    """Both ends of the interval of a coalition's value, as of a contributor's; None where it is unknown, as by Eq. 8."""
    shifts = game.deviations(members) if isinstance(game, RegressionGame) else None
    return (None, None) if shifts is None else interval(game.value(members), shifts, confidence)


def value_intervals(game: RegressionGame | Eq8Game, coalitions: Sequence[Members], confidence: float) -> Floats:
    """(coalitions, 2) the same of several, NaN where unknown."""
    return np.array([known_interval(game, members, confidence) for members in coalitions], dtype=np.float64)
