"""Which way Shapley values are had, by the number of coalitions that may be valued."""

from __future__ import annotations

import numpy as np
import pytest

from mixval.errors import ConfigError
from mixval.valuation.shapley import exact_shapley
from mixval.valuation.shapley_budget import TOLERANCE, shapley, shapley_orders
from tests.valuation.set_game import SetGame


def concave(n_players: int) -> SetGame:
    weights = np.random.default_rng(0).uniform(0.2, 2, n_players)
    return SetGame(lambda members: float(np.sqrt(weights @ members)), 0.0, n_players)


@pytest.mark.parametrize(("n_players", "coalitions"), [(1, 1), (4, 1), (6, 64), (9, 512), (12, 4096)])
def test_exact_where_all_coalitions_are_paid_for(n_players: int, coalitions: int) -> None:
    game = concave(n_players)
    found = shapley(game, n_players, coalitions, seed=0)
    assert (found.method, found.n_coalitions, found.sampled) == ("exact", 2**n_players, None)
    np.testing.assert_array_equal(found.values, exact_shapley(game, n_players))


@pytest.mark.parametrize(("n_players", "coalitions"), [(6, 50), (12, 1000), (12, 4095), (13, 10_000)])
def test_sampled_within_the_tolerance_otherwise(n_players: int, coalitions: int) -> None:
    found = shapley(concave(n_players), n_players, coalitions, seed=0)
    assert found.method == "sampled"
    assert found.sampled is not None
    assert found.n_coalitions == found.sampled.n_coalitions <= coalitions + 2 * n_players
    np.testing.assert_array_equal(found.values, found.sampled.values)
    if n_players > 6:
        assert found.sampled.permutations < coalitions / n_players
        assert found.sampled.standard_errors.max() <= TOLERANCE * found.values.std()


def test_orders_that_a_number_of_coalitions_pays_for() -> None:
    assert [shapley_orders(50, 1000), shapley_orders(13, 1000), shapley_orders(50, 10)] == [20, 76, 4]


def test_no_coalition_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1 coalition to value, found 0"):
        shapley(concave(3), 3, 0, seed=0)
