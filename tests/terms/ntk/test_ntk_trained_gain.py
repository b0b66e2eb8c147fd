"""What a training of set length gains, against descent on bent losses whose best steps are known."""

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.trained_gain import ROWS_POWER, slope, trained_gains


def test_the_formula_by_hand() -> None:
    # Rows 16 and 81 go 8 and 27 units of a mean of 17.5, d = 2 and 4 of a mean of 3, mean slope 2.
    ways = np.array([8.0, 27.0]) * 3.0 / 17.5
    wanted = np.array([1.0, 3.0]) * ways - 2.0 / 3.0 / 2 * ways**2
    np.testing.assert_allclose(trained_gains([1.0, 3.0], [2.0, 4.0], [16, 81]), wanted, rtol=1e-12)


def test_it_is_the_gain_on_a_bent_loss_whose_rate_serves_the_mean_contributor() -> None:
    generator = np.random.default_rng(0)
    directions = generator.normal(size=(6, 40))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    downhill, n_rows, moved = generator.normal(size=40), generator.integers(20, 400, 6), generator.uniform(1, 3, 6)
    downhill += 2 * directions.mean(0)
    slopes = directions @ downhill
    assert slopes.mean() > 0
    ways = n_rows**ROWS_POWER / (n_rows**ROWS_POWER).mean()

    def gains(rate: float) -> np.ndarray:
        """Of the loss |theta|^2 b / 2 - downhill theta at steps of rate * ways."""
        return rate * ways * slopes - bend / 2 * (rate * ways) ** 2

    bend = 0.7
    rates = np.linspace(0.01, 20, 200_001)
    best = rates[np.argmax(rates * slopes.mean() - bend / 2 * rates**2)]  # of mean slope and mean size
    found = trained_gains(slopes, moved, n_rows)
    np.testing.assert_allclose(found, gains(best) * moved.mean() / best, rtol=1e-3)


def test_of_equal_slopes_the_mean_size_is_best_and_of_equal_sizes_the_steepest() -> None:
    alike = trained_gains(np.ones(3), np.ones(3), [10, 113, 200])
    assert alike.argmax() == 1
    assert list(np.argsort(trained_gains([0.3, -0.1, 0.9], [5.0, 1.0, 2.0], [50, 50, 50]))) == [1, 0, 2]


def test_where_the_mean_goes_uphill_the_way_counts_to_first_order() -> None:
    found = trained_gains([-1.0, -1.0, 0.5], [1.0, 1.0, 1.0], [10, 100, 10])
    ways = np.array([10, 100, 10]) ** ROWS_POWER
    np.testing.assert_allclose(found, np.array([-1.0, -1.0, 0.5]) * ways / ways.mean(), rtol=1e-12)


def test_replicates_are_rows_with_a_mean_of_their_own() -> None:
    slopes = np.random.default_rng(1).normal(size=(5, 4)) + 1
    given = np.array([1.0, 2.0, 3.0, 4.0]), np.array([10, 20, 30, 40])
    found = trained_gains(slopes, *given)
    assert found.shape == (5, 4)
    for one, row in zip(slopes, found, strict=True):
        np.testing.assert_allclose(row, trained_gains(one, *given), rtol=1e-12)


def test_the_unit_of_parameters_plays_no_part() -> None:
    gains, moved, n_rows = np.array([0.1, 0.4, 0.2]), np.array([2.0, 5.0, 1.0]), np.array([10, 50, 30])
    found = trained_gains(slope(gains, moved), moved, n_rows)
    np.testing.assert_allclose(trained_gains(slope(gains, 7 * moved), 7 * moved, n_rows), found, rtol=1e-12)
    np.testing.assert_allclose(trained_gains(slope(3 * gains, moved), moved, n_rows), 3 * found, rtol=1e-12)


def test_nobody_moves() -> None:
    assert slope(np.array([0.0, 2.0]), np.array([0.0, 4.0])).tolist() == [0.0, 0.5]
    assert trained_gains([0.0, 0.0], [0.0, 0.0], [3, 4]).tolist() == [0.0, 0.0]


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"of the same contributors, found \(3,\), \(2,\) and \(2,\)"):
        trained_gains(np.ones(3), np.ones(2), np.ones(2))
    for given in ((np.ones(2), -np.ones(2), np.ones(2)), (np.ones(2), np.ones(2), np.zeros(2)), ([], [], [])):
        with pytest.raises(NumericalError, match="expected at least one contributor"):
            trained_gains(*given)
