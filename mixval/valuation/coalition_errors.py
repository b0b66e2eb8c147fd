"""Standard errors of differences between coalitions, by the sampling of the target's rows.

Coalitions are valued on the same rows of T, so that what they have in common cancels: with v_t(S) the value of S on row t, a
difference such as v(N) - v(N - k) has the standard error of the mean over rows of v_t(N) - v_t(N - k). The rows of contributors
are taken as given. Eq. 8 has no values on single rows, so its differences have no errors.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from mixval.valuation.eq8_coalitions import Eq8Game
from mixval.valuation.estimates import Floats
from mixval.valuation.regression_coalitions import RegressionGame


def pair_errors(game: RegressionGame | Eq8Game, n: int) -> dict[str, Floats]:
    """`leave_one_out_errors` (n,) and `redundancy_errors` (n, n), 0 on the diagonal; empty by Eq. 8."""
    if not isinstance(game, RegressionGame):
        return {}
    everybody, places = np.ones(n, dtype=np.bool_), np.arange(n)
    of_all = game.rows(everybody)
    without = np.stack([game.rows(everybody & (places != k)) for k in range(n)])
    errors = np.zeros((n, n))
    for a, b in itertools.combinations(range(n), 2):
        neither = game.rows(everybody & (places != a) & (places != b))
        errors[a, b] = errors[b, a] = game.error(without[a] + without[b] - of_all - neither)
    return {"leave_one_out_errors": np.array([game.error(of_all - rows) for rows in without]), "redundancy_errors": errors}


def gain_errors(game: RegressionGame | Eq8Game, order: NDArray[np.int64], n: int) -> dict[str, Floats]:
    """`gain_errors` (steps,) of what each contributor of the order adds to those before it; empty by Eq. 8."""
    if not isinstance(game, RegressionGame):
        return {}
    members = np.zeros(n, dtype=np.bool_)
    rows = [game.rows(members)]
    for player in order:
        members[player] = True
        rows.append(game.rows(members))
    return {"gain_errors": np.array([game.error(after - before) for before, after in itertools.pairwise(rows)])}
