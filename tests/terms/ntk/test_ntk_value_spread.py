"""Effects of rows on the regression value: against regressions without them, finite differences and fresh draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mixval.terms.ntk.linearised import fitted_gain, linear_gain
from mixval.terms.ntk.objective import TargetObjective, lengths
from mixval.terms.ntk.regression import KernelRegression, feature_regression, kernel_regression
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.value import regression_value
from mixval.terms.ntk.value_spread import SampledRows, ValueSpread, shorter, value_spread
from mixval.terms.replicates import deviations, interval

C = 3
WORDS = dict[str, object]


def world(n: int, m: int, seed: int = 0, noise: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features and labels of S and of T about class centres."""
    centres, drawn = np.random.default_rng(99).normal(size=(C, 8)), np.random.default_rng([seed, n, m])
    labels_s, labels_t = drawn.integers(0, C, n), drawn.integers(0, C, m)
    return (
        centres[labels_s] + noise * drawn.normal(size=(n, 8)),
        centres[labels_t] + noise * drawn.normal(size=(m, 8)),
        labels_s,
        labels_t,
    )


def spread_of(
    phi_s: np.ndarray, phi_t: np.ndarray, right: np.ndarray, objective: TargetObjective, damping: float = 1.0, seed: int = 0
) -> tuple[float, ValueSpread]:
    drawn, regression = np.random.default_rng(seed), kernel_regression(phi_s @ phi_s.T, phi_t @ phi_s.T, right)
    found = regression_value(regression, objective, damping)
    rows = SampledRows(slice(0, len(phi_s)), drawn.normal(size=(200, len(phi_s))))
    return found.value, value_spread(regression, found, objective, rows, drawn.normal(size=(200, len(phi_t) + 1)))


def labelled(phi_t: np.ndarray, labels_t: np.ndarray) -> TargetObjective:
    return TargetObjective(labels=labels_t, n_classes=C, norms=lengths(phi_t))


@pytest.mark.parametrize("form", ["kernel", "features"])
def test_outputs_without_a_row_follow_from_reach_residual_and_leverage(form: str) -> None:
    phi, of_target, labels, _ = world(12, 7)
    right, rows = one_hot(labels, C), slice(0, 5)
    regression: KernelRegression = kernel_regression(phi @ phi.T, of_target @ phi.T, right)
    if form == "features":
        regression = feature_regression(phi.T @ phi, phi.T @ right, 12, of_target)
    change = regression.change(3.0, "absolute")
    reach = regression.reach(change, rows if form == "kernel" else (phi[rows], right[rows]))
    for i in range(5):
        kept = np.delete(np.arange(12), i)
        without = kernel_regression(phi[kept] @ phi[kept].T, of_target @ phi[kept].T, right[kept]).change(3.0, "absolute")
        moved = -np.outer(reach.outputs[:, i], reach.residuals[i]) / (1 - reach.leverages[i])
        np.testing.assert_allclose(change.values + moved, without.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("m", [3, 20])  # fewer rows of T than of S, and more
def test_reach_without_sizes_is_the_same(m: int) -> None:
    phi, of_target, labels, _ = world(12, m)
    right = one_hot(labels, C)
    regression = feature_regression(phi.T @ phi, phi.T @ right, 12, of_target)
    change = regression.change(3.0, "absolute")
    whole, some = (regression.reach(change, (phi, right), has_sizes=has) for has in (True, False))
    for name in ("outputs", "residuals", "leverages"):
        np.testing.assert_allclose(getattr(some, name), getattr(whole, name), rtol=1e-12, atol=1e-13)
    assert np.isfinite(whole.sizes).all()


@pytest.mark.parametrize("form", ["kernel", "features"])
def test_the_displacement_has_a_row_of_its_own(form: str) -> None:
    phi, of_target, _, _ = world(12, 7)
    right = np.random.default_rng(1).random((12, 1))
    regression = kernel_regression(phi @ phi.T, of_target @ phi.T, right)
    if form == "features":
        regression = feature_regression(phi.T @ phi, phi.T @ right, 12, of_target)
    change = regression.change(3.0, "absolute")
    row = regression.displacement_row(change)
    assert (row @ change.found.solution).item() == pytest.approx(change.displacement**2, rel=1e-9)


@pytest.mark.parametrize("form", ["kernel", "features"])
def test_the_displacement_without_a_row_follows_too(form: str) -> None:
    phi, of_target, _, _ = world(12, 7)
    right = np.random.default_rng(1).random((12, 1))
    regression, rows = kernel_regression(phi @ phi.T, of_target @ phi.T, right), slice(0, 12)
    if form == "features":
        regression = feature_regression(phi.T @ phi, phi.T @ right, 12, of_target)
    change = regression.change(3.0, "absolute")
    reach = regression.reach(change, rows if form == "kernel" else (phi, right), regression.displacement_row(change))
    found = shorter(reach, change.displacement) / np.sqrt((1 + (1 - reach.leverages)) / 2)
    for i in range(12):
        kept = np.delete(np.arange(12), i)
        without = kernel_regression(phi[kept] @ phi[kept].T, of_target @ phi[kept].T, right[kept]).change(3.0, "absolute")
        assert found[i] == pytest.approx(change.displacement - without.displacement, rel=1e-8)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_gradient_is_that_of_the_coordinate(sign: float) -> None:
    _, _, _, labels = world(3, 40)
    outputs = sign * (0.4 * one_hot(labels, C) + np.random.default_rng(2).normal(size=(40, C)))
    norms = np.random.default_rng(3).uniform(0.5, 2, 40)
    found, way = fitted_gain(outputs / norms[:, None], labels, norms), np.random.default_rng(4).normal(size=(40, C))
    ends = [fitted_gain((outputs + step * way) / norms[:, None], labels, norms).coordinate for step in (1e-5, -1e-5)]
    assert np.sign(found.coordinate) == sign
    assert float((found.gradient * way).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_moves_of_the_target_are_those_of_the_coordinate_without_a_row() -> None:
    _, _, _, labels = world(3, 60)
    outputs = one_hot(labels, C) + np.random.default_rng(2).normal(size=(60, C))
    found, tokens = fitted_gain(outputs, labels, None), np.arange(1.0, 61)
    gains = linear_gain(outputs[:, :1], tokens)
    for i in range(5):
        kept = np.delete(np.arange(60), i)
        without = found.coordinate - fitted_gain(outputs[kept], labels[kept], None).coordinate
        assert found.target_moves[i] == pytest.approx(without, rel=0.02, abs=1e-4)
        rest = gains.coordinate - linear_gain(outputs[kept, :1], tokens[kept]).coordinate
        assert gains.target_moves[i] == pytest.approx(rest, rel=1e-9)


def test_wrong_labels_are_worth_less_than_nobody_and_random_ones_about_as_much() -> None:
    phi_s, phi_t, labels_s, labels_t = world(150, 100, noise=1.0)
    objective = labelled(phi_t, labels_t)
    drawn = np.random.default_rng(0)
    right, random, wrong = (
        spread_of(phi_s, phi_t, one_hot(labels, C), objective)
        for labels in (labels_s, drawn.integers(0, C, 150), (labels_s + drawn.integers(1, C, 150)) % C)
    )
    guess = objective.empty_value
    assert right[0] > guess + 0.1
    assert wrong[0] < guess - 0.1
    assert abs(random[0] - guess) < 0.05
    assert wrong[0] + np.quantile(wrong[1].deviations, 0.975) < guess
    assert np.quantile(right[1].deviations, 0.025) + right[0] > guess


@pytest.mark.parametrize("n", [2, 3, 20])
@pytest.mark.parametrize("m", [2, 5, 40])
def test_an_interval_holds_its_value_has_width_and_keeps_within_bounds(n: int, m: int) -> None:
    for seed in range(4):
        phi_s, phi_t, labels_s, labels_t = world(n, m, seed, noise=0.1 if seed == 0 else 2.0)
        value, spread = spread_of(phi_s, phi_t, one_hot(labels_s, C), labelled(phi_t, labels_t), seed=seed)
        low, high = interval(value, spread.deviations, 0.95)
        assert -2 * math.log(C) - 1e-6 <= low <= value <= high <= 1e-6 + math.log(C)
        assert high - low > 0.01


def test_one_row_on_either_side_leaves_the_spread_unknown() -> None:
    for n, m in ((1, 20), (20, 1)):
        phi_s, phi_t, labels_s, labels_t = world(n, m)
        objective = TargetObjective(labels=labels_t, n_classes=C)
        regression = feature_regression(phi_s.T @ phi_s, phi_s.T @ one_hot(labels_s, C), n, phi_t, phi_s.sum(0))
        found = regression_value(regression, objective, 1.0, "relative")
        own = SampledRows((phi_s, one_hot(labels_s, C)), np.ones((3, n)))
        assert np.isnan(value_spread(regression, found, objective, own, np.ones((3, m + 1))).deviations).all()


@pytest.mark.parametrize("task", ["labels", "tokens"])
def test_the_spread_is_that_of_fresh_draws(task: str) -> None:
    """Of the value over draws of S and T together, and of S alone under one T."""
    values, errors, own = [], [], []
    for seed in range(120):
        phi_s, phi_t, labels_s, labels_t = world(60, 80, seed, noise=1.2)
        if task == "labels":
            value, spread = spread_of(phi_s, phi_t, one_hot(labels_s, C), labelled(phi_t, labels_t))
        else:
            tokens = 1.0 + np.arange(80) % 5
            right = np.abs(phi_s[:, :1])
            value, spread = spread_of(phi_s, phi_t, right, TargetObjective(tokens=tokens), 0.1)
        values.append(value)
        errors.append(spread.deviations.var(ddof=1))
        own.append(spread.linear.shifts(deviations([spread.under_target])).var(ddof=1))
    # 120 draws know a standard deviation to 6.5 %.
    assert math.sqrt(np.mean(errors)) / np.std(values) == pytest.approx(1.1, abs=0.3)
    assert np.mean(own) < np.mean(errors)
