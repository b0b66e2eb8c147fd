"""What a training gains, against bent losses whose best steps are known."""

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.trained_gain import slope, trained_gains


def test_the_formula_by_hand() -> None:
    # Mean slope 2, so that a unit of the way costs 0.5.
    np.testing.assert_allclose(trained_gains(np.array([1.0, 3.0]), np.array([2.0, 4.0])), [1.0, 10.0], rtol=1e-12)
    np.testing.assert_allclose(trained_gains(np.array([1.0, 3.0]), np.array([2.0, 4.0]), share=0.0), [2.0, 12.0])


def test_the_average_contributor_gains_what_half_of_the_best_step_on_a_bent_loss_does() -> None:
    downhill, bend = 1.7, 0.4
    steps = np.linspace(0, 20, 200_001)
    gains = downhill * steps - bend / 2 * steps**2
    half = steps[gains.argmax()] / 2
    [found] = trained_gains(np.array([downhill]), np.array([half]))
    assert found == pytest.approx(downhill * half - bend / 2 * half**2, rel=1e-6)
    assert found == pytest.approx(0.75 * gains.max(), rel=1e-6)


def test_steeper_is_better_and_more_of_what_hardly_leads_down_is_worse() -> None:
    alike = trained_gains(np.array([0.3, -0.1, 0.9]), np.full(3, 2.0))
    assert list(np.argsort(alike)) == [1, 0, 2]
    slopes = np.array([1.0, 1.0, 0.1, 0.1])
    found = trained_gains(slopes, np.array([1.0, 2.0, 1.0, 2.0]))
    assert found[1] > found[0] > 0 > found[2] > found[3]


def test_where_the_mean_goes_uphill_the_way_costs_nothing() -> None:
    slopes, moved = np.array([-1.0, -1.0, 0.5]), np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(trained_gains(slopes, moved), slopes * moved, rtol=1e-12)


def test_replicates_are_rows_with_a_mean_of_their_own() -> None:
    slopes, moved = np.random.default_rng(1).normal(size=(5, 4)) + 1, np.array([1.0, 2.0, 3.0, 4.0])
    found = trained_gains(slopes, moved)
    assert found.shape == (5, 4)
    for one, row in zip(slopes, found, strict=True):
        np.testing.assert_allclose(row, trained_gains(one, moved), rtol=1e-12)


def test_the_unit_of_parameters_plays_no_part() -> None:
    gains, moved = np.array([0.1, 0.4, 0.2]), np.array([2.0, 5.0, 1.0])
    found = trained_gains(slope(gains, moved), moved)
    np.testing.assert_allclose(trained_gains(slope(gains, 7 * moved), 7 * moved), found, rtol=1e-12)
    np.testing.assert_allclose(trained_gains(slope(3 * gains, moved), moved), 3 * found, rtol=1e-12)


def test_nobody_moves() -> None:
    assert slope(np.array([0.0, 2.0]), np.array([0.0, 4.0])).tolist() == [0.0, 0.5]
    assert trained_gains(np.zeros(2), np.zeros(2)).tolist() == [0.0, 0.0]


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"of the same contributors, found \(3,\) and \(2,\)"):
        trained_gains(np.ones(3), np.ones(2))
    for given in ((np.ones(2), -np.ones(2)), (np.ones(0), np.ones(0))):
        with pytest.raises(NumericalError, match="expected at least one contributor"):
            trained_gains(*given)
