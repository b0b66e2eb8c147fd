"""Replicates from row effects: multipliers that follow rows, the spread they give, and what is not known."""

import math

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.terms.replicates import (
    GROUPS,
    Effects,
    deviations,
    effects_of,
    ends,
    group_multipliers,
    interval,
    row_multipliers,
    splitmix64,
    student_factor,
)


def keys(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**64, size=n, dtype=np.uint64)


def test_multipliers_are_standard_normal_and_follow_rows() -> None:
    drawn, order = row_multipliers(keys(14), 4000, seed=3), np.random.default_rng(1).permutation(14)
    assert np.array_equal(row_multipliers(keys(14)[order], 20, seed=3), drawn[:20, order])
    assert not np.array_equal(drawn[:20], row_multipliers(keys(14), 20, seed=4))
    # 4000 draws: five standard deviations of a mean are 0.08, of a correlation as much.
    assert np.abs(drawn.mean(axis=0)).max() < 0.08
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(14), atol=0.12)
    assert group_multipliers(3, 0).shape == (3, GROUPS)
    with pytest.raises(ShapeError, match="uint64"):
        row_multipliers(keys(3).astype(np.int64), 2, seed=0)


def test_splitmix64_is_the_published_sequence() -> None:
    # First outputs of the reference generator from state 1234567 (each call adds the increment to the state).
    step = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + i * step) % 2**64 for i in range(3)], dtype=np.uint64)
    assert splitmix64(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def of_mean(values: np.ndarray, replicates: int = 200, seed: int = 0) -> Effects:
    return effects_of(values / len(values), row_multipliers(keys(len(values)), replicates, seed))


def test_the_spread_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(5).normal(size=400)
    error, widened = values.std(ddof=1) / 20, student_factor(of_mean(values).freedom)
    assert deviations([of_mean(values)]).std(ddof=1) == pytest.approx(error * widened, rel=1e-9)
    assert deviations([of_mean(values)], 7.0).std(ddof=1) == pytest.approx(7 * widened, rel=1e-9)
    assert 1 < widened < 1.02


def test_parts_are_drawn_apart_unless_one_is_too_small() -> None:
    values = np.concatenate([np.random.default_rng(5).normal(size=50), 9 + np.random.default_rng(6).normal(size=50)])
    drawn = row_multipliers(keys(100), 2, 0)
    apart, together = effects_of(values, drawn, np.arange(100) < 50), effects_of(values, drawn)
    assert apart.freedom <= 98
    assert together.freedom <= 99
    assert apart.variance < 0.2 * together.variance
    assert effects_of(values, drawn, np.arange(100) < 2).variance == pytest.approx(together.variance)


@pytest.mark.parametrize("n", [3, 12])
def test_few_rows_have_intervals_that_cover(n: int) -> None:
    generator, hits = np.random.default_rng(6), 0
    for seed in range(400):
        values = generator.normal(size=n)
        low, high = interval(float(values.mean()), deviations([of_mean(values, seed=seed)]), 0.95)
        hits += low <= 0 <= high
    # 400 draws at 0.95: four standard deviations are 0.044.
    assert hits / 400 == pytest.approx(0.95, abs=0.045)


def test_a_variance_of_few_large_effects_has_few_degrees_of_freedom() -> None:
    """Satterthwaite's: by the spread of such variances over fresh draws."""
    generator, found, variances = np.random.default_rng(7), [], []
    for _ in range(4000):
        values = np.where(generator.random(200) < 0.05, 10.0, 1.0) * generator.normal(size=200)
        variances.append(values.var(ddof=1))
        found.append(effects_of(values, np.ones((1, 200))).freedom)
    truth = 2 * np.mean(variances) ** 2 / np.var(variances)
    assert truth < 12
    # The fourth moments of 200 rows miss some of such tails, so degrees of freedom are a little too many.
    assert truth < np.median(found) < 2 * truth
    assert effects_of(np.ones(9), np.ones((1, 9))).freedom == 8


def test_a_further_deviate_falls_outside_as_often_as_said() -> None:
    shifts = np.random.default_rng(8).normal(size=(39, 4000))
    low, high = ends(shifts, 0.9)
    further = np.random.default_rng(9).normal(size=4000)
    # 4,000 draws at 0.9: three standard deviations are 0.014; the other rules of quantiles hold 0.86 to 0.89.
    assert ((low <= further) & (further <= high)).mean() == pytest.approx(0.9, abs=0.014)


def test_one_row_says_nothing_of_its_spread() -> None:
    shifts = deviations([of_mean(np.ones(1)), of_mean(np.arange(9.0))])
    assert np.isnan(shifts).all()
    assert interval(1.0, shifts, 0.95) == (None, None)
    assert interval(1.0, np.zeros(0), 0.95) == (None, None)
    assert student_factor(1) > 6
    assert not deviations([of_mean(np.ones(5))]).any()


def test_an_interval_holds_its_own_estimate() -> None:
    assert interval(2.0, np.array([0.1, 0.2, 0.3]), 0.95)[0] == 2.0
    assert math.isclose(interval(2.0, np.array([-0.3, -0.2]), 0.95)[1] or 0.0, 2.0)


def test_effects_must_pair_up() -> None:
    with pytest.raises(ShapeError, match="from the same rows"):
        Effects(np.ones(3), np.ones((2, 4)), 2.0)
