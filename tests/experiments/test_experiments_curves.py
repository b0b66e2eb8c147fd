"""Curves of the experiment: what is simulated from the model comes back, and whether a bend can be seen."""

from __future__ import annotations

import numpy as np
import pytest

from mixval.experiments.curves import curve, fit_level, levelled
from mixval.scaling.expected_error import expected_error
from mixval.scaling.knowledge import Generator, Mixture

SIZES = np.geomspace(300, 160_000, 10)
MIXTURE = Mixture(2.0, 0.0625, Generator("cut", 70), 100)


def by_class(n: float, needed: float) -> np.ndarray:
    """Expected error of each class by rank, where each row teaches its class with chance 1 / needed."""
    ranks = np.arange(1, 101)
    p = ranks**-2.0 / np.sum(ranks**-2.0)
    cut = np.where(ranks <= 70, p, 0.0)
    q = 0.0625 * p + 0.9375 * cut / cut.sum()
    return (1 - q / needed) ** n


@pytest.mark.parametrize("is_balanced", [True, False])
def test_a_learner_that_needs_more_rows_has_the_exact_curve_of_fewer(is_balanced: bool) -> None:
    weights = np.full(100, 0.01) if is_balanced else MIXTURE.p(np.arange(1, 101))
    dense = np.array([by_class(n, 30.0) @ weights for n in SIZES])
    # (1 - q / m)^n against (1 - q)^(n / m): they part by about n q^2 / 2, largest for the first class
    np.testing.assert_allclose(levelled(SIZES, MIXTURE, is_balanced, 1.0, 30.0), dense, atol=0.012)


@pytest.mark.parametrize(("right", "needed"), [(1.0, 1.0), (0.7, 25.0)])
def test_share_and_rows_come_back(right: float, needed: float) -> None:
    errors = levelled(SIZES, MIXTURE, True, right, needed)
    found = fit_level(SIZES, errors, MIXTURE, True, np.random.default_rng(0))
    assert found.right[0] == pytest.approx(right, abs=0.01)
    assert found.needed[0] == pytest.approx(needed, rel=0.04)  # the grid of m has steps of 4 %
    noisy = fit_level(SIZES, errors + 0.01 * np.cos(7 * np.arange(len(SIZES))), MIXTURE, True, np.random.default_rng(0))
    for (value, low, high), true in ((noisy.right, right), (noisy.needed, needed)):
        assert low <= value <= high
        assert low <= true * 1.04
        assert high >= true * 0.96
    assert noisy.misfit > found.misfit


def test_the_balanced_bend_is_seen_and_the_weighted_one_is_not() -> None:
    n_test = np.full((2, 100), 20.0)
    errors = np.stack([np.stack([by_class(n, 1.0) for n in SIZES])] * 2)
    balanced = curve(SIZES, errors, n_test, MIXTURE, True, 0)
    weighted = curve(SIZES, errors, n_test, MIXTURE, False, 0)
    np.testing.assert_allclose(balanced.errors[0], expected_error(MIXTURE, SIZES, None, True), rtol=1e-3)
    assert (balanced.is_visible, weighted.is_visible) == (True, False)
    assert weighted.bend == pytest.approx(0.0035, abs=0.0002)  # 0.52 % at 4,900 rows, 0.17 % at 78,400
    assert balanced.bend == pytest.approx(0.21, abs=0.02)  # 41 % and 20 %
    assert balanced.places == pytest.approx((8_562, 102_946), rel=0.01)
    assert weighted.places == pytest.approx((9_750, 152_963), rel=0.01)
