"""The ratio estimator of a cross-entropy: right where the head is in proportion, exact deviations, nothing below its floor."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mixval.terms.ntk.objective import TargetObjective, lengths
from mixval.terms.ntk.regression import kernel_regression
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.two_phase import AuxiliaryCrossEntropy, TwoPhaseRatio, TwoPhaseRows, two_phase_ratio, two_phase_value
from mixval.terms.ntk.value import regression_value
from mixval.terms.ntk.value_spread import SampledRows, value_spread
from mixval.terms.ntk.wide_head import wide_head

NONE = np.zeros(0)


def values(n: int, n_all: int, first: float, all_read: float, other: float = -0.8, shifts: np.ndarray = NONE) -> TwoPhaseRatio:
    def of(value: float) -> AuxiliaryCrossEntropy:
        return AuxiliaryCrossEntropy(value, 0.3 * shifts, 0.2 * shifts)

    return TwoPhaseRatio(n, n_all, -math.log(3), of(first), of(all_read), of(other))


def test_the_ratio_is_exact_where_the_head_is_proportional() -> None:
    by_gradients = {100: -0.9, 400: -0.6}
    head = values(100, 400, *(1.3 * by_gradients[n] for n in (100, 400)))
    found = two_phase_value(by_gradients[100], NONE, head)
    assert found.value == pytest.approx(by_gradients[400])
    assert found.deviations.shape == (0,)
    assert not found.is_bounded


def test_deviations_are_those_of_the_ratio() -> None:
    """Against the ratio itself where each of its numbers is moved by a small deviation."""
    shifts = 1e-6 * np.array([1.0, -2.0, 0.5])
    head = values(100, 400, -0.9, -0.7, shifts=shifts)
    found = two_phase_value(-0.8, shifts, head).deviations
    of_rows, of_target, share = 0.3 * shifts, 0.2 * shifts, 0.75
    rest = share * (of_rows / -0.8 - of_rows / -0.9)
    moved = (-0.8 + shifts) * (-0.7 + of_target) / (-0.9 + of_target) * (1 + rest)
    np.testing.assert_allclose(found, moved - (-0.8 * 0.7 / 0.9), rtol=1e-4)


def test_the_ratio_is_one_where_the_head_classifies_all_rows() -> None:
    least = 0.01 * math.log(3)
    shifts = np.array([0.1, -0.1])
    sure = values(100, 400, -1e-9, -1e-12, -1e-10, shifts)
    found = two_phase_value(-0.02, 0.01 * shifts, sure)
    assert found.value == -0.02
    np.testing.assert_array_equal(found.deviations, 0.01 * shifts)
    half = values(100, 400, -2 * least, -1e-9)
    assert (half.ratio, half.is_floored) == (pytest.approx(0.5), True)
    assert two_phase_value(0.0, NONE, values(100, 400, -0.9, -0.7)).value == 0


@pytest.mark.parametrize("value", [-math.log(3), -math.log(3) - 0.2])
def test_who_gains_nothing_is_given_nothing_by_the_ratio(value: float) -> None:
    found = two_phase_value(value, np.array([0.1, -0.1]), values(100, 400, -1.0, -0.5))
    assert found.value == value
    assert found.is_bounded
    np.testing.assert_array_equal(found.deviations, [0.1, -0.1])


def test_a_gain_grows_no_faster_than_rows_and_is_never_turned_into_a_loss() -> None:
    guess = -math.log(3)
    few = two_phase_value(guess + 0.01, NONE, values(100, 400, -1.0, -0.5))
    assert (few.value, few.is_bounded) == (pytest.approx(guess + 0.04), True)
    worse = two_phase_value(guess + 0.01, NONE, values(100, 400, -1.0, -1.09))
    assert (worse.value, worse.is_bounded) == (guess, True)
    assert not values(100, 400, -1.0, -0.5).is_floored


def test_the_estimate_is_near_the_value_of_all_rows_and_its_spread_is_right() -> None:
    """Over draws of rows and of T."""
    plain, carried, whole, errors, errors_plain = [], [], [], [], []
    for seed in range(100):
        value, shifts, head, of_all = drawn(np.random.default_rng(seed))
        found = two_phase_value(value, shifts, head)
        for numbers, number in zip((plain, carried, whole), (value, found.value, of_all), strict=True):
            numbers.append(number)
        errors.append(found.deviations.var(ddof=1))
        errors_plain.append(shifts.var(ddof=1))
    missed, missed_plain = (np.sqrt(np.mean(np.subtract(one, whole) ** 2)) for one in (carried, plain))
    assert missed < 0.5 * missed_plain
    for numbers, variances in ((carried, errors), (plain, errors_plain)):
        assert 0.8 < math.sqrt(np.mean(variances)) / np.std(numbers) < 1.4


def drawn(random: np.random.Generator) -> tuple[float, np.ndarray, TwoPhaseRatio, float]:
    """160 rows of three classes around their means and 200 of T, gradients of 40 rows, features that are bent gradients.

    The value of the 40, its deviations, the ratio from features, and the value of all.
    """
    n, n_all, m, replicates, damping = 40, 160, 200, 20, 0.5
    means = 0.8 * np.random.default_rng(99).normal(size=(3, 6))
    labels, target_labels = random.integers(0, 3, n_all), random.integers(0, 3, m)
    own, target = means[labels] + random.normal(size=(n_all, 6)), means[target_labels] + random.normal(size=(m, 6))
    drawn = [random.normal(size=(replicates, k)) for k in (n, n_all - n, m + 1)]
    own_rows, other_rows = (SampledRows(slice(0, one.shape[1]), one) for one in drawn[:2])
    right, part = one_hot(labels, 3), own[:n]
    objective = TargetObjective(labels=target_labels, n_classes=3, norms=lengths(target))
    regression = kernel_regression(part @ part.T, target @ part.T, right[:n])
    found = regression_value(regression, objective, damping)
    shifts = value_spread(regression, found, objective, own_rows, drawn[2]).deviations
    whole = kernel_regression(own @ own.T, target @ own.T, right).change(damping, "centred").values
    frozen, of_target = np.tanh(0.5 * own), np.tanh(0.5 * target)
    head = wide_head(of_target)
    seen = head.objective(of_target, target_labels, 3)
    rows = TwoPhaseRows(own_rows, other_rows, drawn[2])
    ratio = two_phase_ratio(head.regression(frozen, of_target, right), n, seen, damping, rows)
    return found.value, shifts, ratio, objective.value(whole)
