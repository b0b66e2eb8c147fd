"""Standard errors of differences between coalitions against the spread of the same differences over resampled target rows, and
over fresh draws of all rows."""

import numpy as np
import pytest

from mixval.valuation.coalition_errors import known_interval, pair_errors, step_spreads
from tests.valuation.test_regression_coalitions import SIZES, M, World

K = len(SIZES)


def resampled(differences: np.ndarray, weights: np.ndarray) -> float:
    """Standard deviation over 4,000 bootstrap draws of T's rows of the weighted mean."""
    drawn = np.random.default_rng(0).integers(0, M, (4000, M))
    return float(((weights * differences)[drawn].sum(1) / weights[drawn].sum(1)).std())


@pytest.mark.parametrize("is_causal", [False, True])
def test_errors_are_those_of_resampled_target_rows(is_causal: bool) -> None:
    world = World()
    game, everybody = world.game(is_causal), np.ones(K, dtype=np.bool_)
    weights = world.tokens if is_causal else np.ones(M)
    found = pair_errors(game, K)

    def without(*who: int) -> np.ndarray:
        return game.rows(everybody & ~np.isin(np.arange(K), who))

    for k in range(K):
        truth = resampled(without() - without(k), weights)
        assert found["leave_one_out_errors"][k] == pytest.approx(truth, rel=0.15)  # bootstrap of 50 rows, of 4,000 draws
    truth = resampled(without(1) + without(3) - without() - without(1, 3), weights)
    assert found["redundancy_errors"][1, 3] == found["redundancy_errors"][3, 1] == pytest.approx(truth, rel=0.15)
    assert not found["redundancy_errors"].diagonal().any()


def test_rows_average_to_the_value_and_steps_add_up() -> None:
    world = World()
    game, order = world.game(), np.array([3, 1, 0])
    members = np.array([False, True, False, True])
    assert game.rows(members).mean() == pytest.approx(game.value(members))
    assert game.rows(np.zeros(K, dtype=np.bool_)).mean() == pytest.approx(game.empty())
    first = resampled(game.rows(np.arange(K) == 3) - game.rows(np.zeros(K, dtype=np.bool_)), np.ones(M))
    errors = step_spreads(game, order, K, 0.95)["gain_errors"]
    assert errors.shape == (3,)
    assert errors[0] == pytest.approx(first, rel=0.15)


@pytest.mark.parametrize("is_causal", [False, True])
def test_with_replicates_errors_are_those_of_fresh_draws_of_all_rows(is_causal: bool) -> None:
    """Of what leaving one of four contributors out loses, over 60 worlds of the same classes."""
    lost, errors = [], []
    everybody, rest = np.ones(K, dtype=np.bool_), np.arange(K) != 3
    for seed in range(60):
        world = World(seed, centres_seed=7)
        game = world.game(is_causal, replicates=100)
        lost.append(game.value(everybody) - game.value(rest))
        errors.append(pair_errors(game, K)["leave_one_out_errors"][3])
        low, high = known_interval(game, rest, 0.95)
        assert low < game.value(rest) < high
    # 60 draws know a standard deviation to 9 %; a linearised spread of a small difference is wide, if anything.
    assert 0.75 < np.sqrt(np.mean(np.square(errors))) / np.std(lost) < 2
    assert known_interval(world.game(is_causal), rest, 0.95) == (None, None)
