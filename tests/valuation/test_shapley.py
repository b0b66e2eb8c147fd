"""Shapley values against all orders by brute force, their axioms, and sampling that says how far it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mixval.errors import ConfigError, NumericalError, ShapeError
from mixval.valuation.shapley import LOOK_AFTER, Members, Order, exact_shapley, greedy, leave_one_out, sampled_shapley
from tests.valuation.set_game import SetGame

EMPTY = 0.7


def table_game(n_players: int, seed: int) -> SetGame:
    """Any values at all, one for each coalition."""
    table = np.random.default_rng(seed).normal(size=2**n_players)
    bits = 1 << np.arange(n_players)
    return SetGame(lambda members: float(table[bits @ members]), EMPTY, n_players)


def plain_game(function: Callable[[Members], float], n_players: int, empty: float = 0.0) -> SetGame:
    return SetGame(function, empty, n_players)


def value_of(game: SetGame, players: tuple[int, ...]) -> float:
    members = np.zeros(game.n_players, dtype=bool)
    members[list(players)] = True
    return game.value(members) if players else game.empty()


def all_orders(game: SetGame) -> np.ndarray:
    """The definition: mean marginal over every order of the players."""
    orders = list(itertools.permutations(range(game.n_players)))
    total = np.zeros(game.n_players)
    for order in orders:
        for place, player in enumerate(order):
            total[player] += value_of(game, order[: place + 1]) - value_of(game, order[:place])
    return total / len(orders)


@pytest.mark.parametrize("n_players", [1, 2, 3, 5])
def test_exact_values_are_the_mean_over_all_orders(n_players: int) -> None:
    for seed in range(3):
        game = table_game(n_players, seed)
        np.testing.assert_allclose(exact_shapley(game, n_players), all_orders(game), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n_players", [1, 4, 9, 12])
def test_efficiency_exact_values_add_up_to_all_minus_nobody(n_players: int) -> None:
    game = table_game(n_players, 1)
    total = game.value(np.ones(n_players, dtype=bool)) - EMPTY
    assert exact_shapley(game, n_players).sum() == pytest.approx(total, abs=1e-12)


def test_symmetry_and_null_player() -> None:
    # 1 and 3 are interchangeable, 2 changes nothing.
    game = plain_game(lambda m: float(np.sqrt(m[0] + 2 * (m[1] + m[3])) + m[0] * (m[1] + m[3]) ** 2), 4)
    exact = exact_shapley(game, 4)
    assert exact[1] == pytest.approx(exact[3], abs=1e-14)
    assert exact[2] == pytest.approx(0, abs=1e-14)
    sampled = sampled_shapley(game, 4, 50, seed=0)
    assert abs(sampled.values[2]) <= 4 * sampled.standard_errors[2] + 1e-14


def test_additivity() -> None:
    first, second = table_game(6, 1), table_game(6, 2)
    both = plain_game(lambda m: first.value(m) + second.value(m), 6, 2 * EMPTY)
    parts = exact_shapley(first, 6) + exact_shapley(second, 6)
    np.testing.assert_allclose(exact_shapley(both, 6), parts, atol=1e-13)
    samples = [sampled_shapley(game, 6, 40, seed=3).values for game in (both, first, second)]
    np.testing.assert_allclose(samples[0], samples[1] + samples[2], atol=1e-13)


def test_every_coalition_is_valued_once() -> None:
    seen: list[tuple[bool, ...]] = []

    def count(members: Members) -> float:
        seen.append(tuple(members))
        return float(members.sum())

    np.testing.assert_allclose(exact_shapley(plain_game(count, 7), 7), 1)
    assert len(seen) == len(set(seen)) == 2**7 - 1
    # One player at a time, so that a game which keeps sums changes them by one.
    assert {int(np.sum(np.not_equal(one, other))) for one, other in itertools.pairwise(seen)} == {1}


def test_sampled_values_add_up_whatever_the_number_of_orders() -> None:
    game = table_game(7, 4)
    found = sampled_shapley(game, 7, 60, seed=5)
    total = game.value(np.ones(7, dtype=bool)) - EMPTY
    np.testing.assert_allclose(found.running_values.sum(axis=1), total, atol=1e-12)


@pytest.mark.parametrize("permutations", [8, 40])  # plain marginals, and with a regression
def test_pairs_of_orders_are_exact_for_interactions_of_two(permutations: int) -> None:
    rng = np.random.default_rng(0)
    own, pairs = rng.normal(size=8), np.triu(rng.normal(size=(8, 8)), 1)
    game = plain_game(lambda m: float(own @ m + m @ pairs @ m), 8)
    exact = own + (pairs + pairs.T).sum(axis=1) / 2
    found = sampled_shapley(game, 8, permutations, seed=1)
    np.testing.assert_allclose(found.values, exact, atol=1e-12)
    assert found.standard_errors.max() < 1e-12


def test_size_alone_is_no_error_however_steep() -> None:
    # Marginals of the first and the last differ by a hundred times what the players do.
    game = plain_game(lambda m: float(m @ np.arange(9.0) / 100 - 10 / m.sum() ** 3), 9, -20.0)
    exact = np.arange(9.0) / 100 + (20 - 10 / 9**3) / 9
    found = sampled_shapley(game, 9, 60, seed=0)
    np.testing.assert_allclose(found.values, exact, atol=1e-12)
    assert found.standard_errors.max() < 1e-12


def test_small_coalitions_that_stand_apart_leave_smaller_errors_than_marginals() -> None:
    rng = np.random.default_rng(3)
    n, quality = rng.uniform(80, 400, 10), rng.normal(size=10)
    game = plain_game(lambda m: float(quality[m] @ n[m] / n[m].sum() - 300 / n[m].sum()), 10, -4.0)
    exact = exact_shapley(game, 10)
    away, stated, plain = [], [], []
    for seed in range(8):
        found = sampled_shapley(game, 10, 64, seed)
        away.append(found.values - exact)
        stated.append(found.standard_errors)
        orders = [np.random.default_rng([seed, i]).permutation(10) for i in range(64)]
        plain.append(np.mean([marginals(game, order) for order in orders], axis=0) - exact)
    sizes = {name: float(np.sqrt(np.mean(np.square(x)))) for name, x in {"a": away, "s": stated, "p": plain}.items()}
    assert sizes["a"] < 0.2 * sizes["p"]
    assert 0.6 < sizes["s"] / sizes["a"] < 1.7


def marginals(game: SetGame, order: np.ndarray) -> np.ndarray:
    gains = np.empty(len(order))
    gains[order] = np.diff([game.empty(), *game.prefixes(order)])
    return gains


@pytest.mark.parametrize("permutations", [8, 40])
def test_standard_errors_are_those_that_repeats_show(permutations: int) -> None:
    game = table_game(5, 8)
    exact = all_orders(game)
    runs = [sampled_shapley(game, 5, permutations, seed) for seed in range(60)]
    away = np.array([run.values for run in runs]) - exact
    stated = np.sqrt(np.mean([run.standard_errors**2 for run in runs]))
    # A jackknife states somewhat too much of a regression, since each replicate has an order less to fit.
    assert 0.85 < stated / np.sqrt(np.mean(away**2)) < 1.5
    assert np.abs(away.mean(axis=0) / stated).max() < 3.5 / np.sqrt(60) + 0.1


@pytest.mark.parametrize("n_players", [1, 2, 3])
def test_three_players_or_fewer_are_exact(n_players: int) -> None:
    game = table_game(n_players, 2)
    found = sampled_shapley(game, n_players, 4, seed=0)
    np.testing.assert_allclose(found.values, all_orders(game), atol=1e-13)
    assert found.standard_errors.max() < 1e-13
    assert found.n_coalitions == 2**n_players


def test_running_estimates_double_and_end_with_the_result() -> None:
    found = sampled_shapley(table_game(4, 0), 4, 100, seed=2)
    assert found.steps.tolist() == [4, 8, 16, 32, 64, 100]
    assert found.permutations == 100
    assert found.n_coalitions == 2**4
    assert not found.is_within_tolerance
    np.testing.assert_array_equal(found.running_values[-1], found.values)
    np.testing.assert_array_equal(found.running_errors[-1], found.standard_errors)


def test_distinct_coalitions_are_counted_once() -> None:
    seen: set[tuple[bool, ...]] = set()

    def count(members: Members) -> float:
        seen.add(tuple(members))
        return float(members.sum() ** 2)

    found = sampled_shapley(plain_game(count, 9), 9, 20, seed=4)
    assert found.n_coalitions == len(seen) + 1 < 20 * 9  # and nobody


def test_the_seed_decides_and_more_orders_go_on_from_fewer() -> None:
    game = table_game(6, 3)
    long, again, short = (sampled_shapley(game, 6, n, seed=11) for n in (64, 64, 16))
    np.testing.assert_array_equal(long.values, again.values)
    np.testing.assert_allclose(long.running_values[:3], short.running_values, rtol=1e-10, atol=1e-12)  # regressions
    assert not np.array_equal(long.values, sampled_shapley(game, 6, 64, seed=12).values)


def test_sampling_stops_at_the_tolerance_and_not_on_too_few() -> None:
    game = table_game(7, 6)
    found = sampled_shapley(game, 7, 100_000, seed=0, tolerance=0.2)
    assert found.is_within_tolerance
    assert 32 <= found.permutations < 2_000
    assert found.standard_errors.max() <= 0.2 * found.values.std()
    assert found.steps[-1] == found.permutations
    before = sampled_shapley(game, 7, int(found.permutations / LOOK_AFTER) // 2 * 2 - 2, seed=0, tolerance=0.2)
    assert not before.is_within_tolerance
    assert before.standard_errors.max() > 0.2 * before.values.std()
    additive = plain_game(lambda m: float(m @ np.arange(5.0)), 5)
    assert sampled_shapley(additive, 5, 1_000, seed=0, tolerance=1e-9).permutations == 32


def test_leave_one_out() -> None:
    game = table_game(5, 9)
    everybody = tuple(range(5))
    expected = [value_of(game, everybody) - value_of(game, tuple(set(everybody) - {k})) for k in everybody]
    np.testing.assert_array_equal(leave_one_out(game, 5), expected)
    single = table_game(1, 9)
    np.testing.assert_array_equal(leave_one_out(single, 1), [value_of(single, (0,)) - EMPTY])


def test_greedy_takes_the_best_next_one_each_time() -> None:
    game = table_game(6, 5)
    found = greedy(game, 6, 6)
    assert sorted(found.order.tolist()) == list(range(6))
    for step in range(6):
        taken = tuple(found.order[:step].tolist())
        best = max(value_of(game, (*taken, k)) for k in range(6) if k not in taken)
        assert found.values[step] == best == value_of(game, (*taken, int(found.order[step])))
    np.testing.assert_array_equal(greedy(game, 6, 3).order, found.order[:3])


def test_greedy_covers_and_breaks_ties_by_index() -> None:
    sets = [{1, 2}, {1, 2, 3}, {4}, {4}, {1, 5}]
    covered = plain_game(lambda m: float(len(set().union(*(sets[k] for k in np.flatnonzero(m))))), 5)
    found = greedy(covered, 5, 4)
    assert found.order.tolist() == [1, 2, 4, 0]
    assert found.values.tolist() == [3, 4, 5, 5]


def test_refusals() -> None:
    game = table_game(3, 0)
    with pytest.raises(ConfigError, match=r"at most 12 players, found 13, which is 8192 coalitions\. Use `sampled_shapley`"):
        exact_shapley(game, 13)
    for valued in (exact_shapley, leave_one_out):
        with pytest.raises(ConfigError, match="at least one player, found 0"):
            valued(game, 0)
    for permutations in (2, 7):
        with pytest.raises(ConfigError, match=rf"an even number of at least 4 permutations.*found {permutations}\."):
            sampled_shapley(game, 3, permutations, seed=0)
    for tolerance in (0.0, float("nan")):
        with pytest.raises(ConfigError, match="positive tolerance, or None"):
            sampled_shapley(game, 3, 8, seed=0, tolerance=tolerance)
    for size in (0, 4):
        with pytest.raises(ConfigError, match=f"a size from 1 to 3 players, found {size}"):
            greedy(game, 3, size)


def test_values_that_are_not_finite_are_named() -> None:
    broken = plain_game(lambda m: float("nan") if m[1] and m[2] else 1.0, 3)
    with pytest.raises(NumericalError, match=r"players \[1, 2\] is nan"):
        exact_shapley(broken, 3)
    with pytest.raises(NumericalError, match=r"players \[.*1, 2\] is nan"):
        sampled_shapley(broken, 3, 10, seed=0)
    with pytest.raises(NumericalError, match="value of the empty coalition is inf"):
        sampled_shapley(plain_game(lambda m: float(m[0]), 3, float("inf")), 3, 10, seed=0)


def test_prefixes_of_the_wrong_number_are_refused() -> None:
    class Short(SetGame):
        def prefixes(self, order: Order) -> Iterator[float]:
            return super().prefixes(order[1:])

    with pytest.raises(ShapeError, match="expected 3 values for 3 players, found 2"):
        sampled_shapley(Short(lambda members: float(members.sum()), 0.0, 3), 3, 4, seed=0)
