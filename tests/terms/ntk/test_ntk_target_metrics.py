"""The NTK-regression value against dense formulas, planted worlds and rows left out one by one."""

import math
from functools import reduce

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.statistics import GradientStatistics
from mixval.terms.ntk.target_metrics import TargetMetrics, one_hot, row_metrics, target_metrics_exact
from mixval.terms.ntk.temperature import left_out_cross_entropy
from tests.terms.ntk.ntk_predicted import target_metrics_from_statistics

C = 3


def world(n: int, m: int = 60, seed: int = 0, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features of S (n, 12) and T (m, 12) about class centres, and labels; a share `noise` of S's labels is drawn anew."""
    centres = np.random.default_rng(99).normal(size=(C, 12))
    generator = np.random.default_rng(seed)
    labels_s, labels_t = generator.integers(0, C, n), np.random.default_rng(98).integers(0, C, m)
    phi_s = centres[labels_s] + 2.0 * generator.normal(size=(n, 12))
    phi_t = centres[labels_t] + 2.0 * np.random.default_rng(97).normal(size=(m, 12))
    return phi_s, phi_t, np.where(generator.random(n) < noise, generator.integers(0, C, n), labels_s), labels_t


def exact(phi_s: np.ndarray, phi_t: np.ndarray, labels_s: np.ndarray, labels_t: np.ndarray, damping: float) -> TargetMetrics:
    return target_metrics_exact(phi_s @ phi_s.T, phi_t @ phi_s.T, one_hot(labels_s, C), labels_t, damping)


def dense(phi_s: np.ndarray, phi_t: np.ndarray, responses: np.ndarray, damping: float) -> np.ndarray:
    theta = phi_s @ phi_s.T
    return phi_t @ phi_s.T @ np.linalg.inv(theta + damping * np.trace(theta) / len(theta) * np.eye(len(theta))) @ responses


def test_accuracy_and_squared_error_are_those_of_a_dense_ridge() -> None:
    phi_s, phi_t, labels_s, labels_t = world(30)
    outputs = dense(phi_s, phi_t, np.eye(C)[labels_s], 0.1)
    found = exact(phi_s, phi_t, labels_s, labels_t, 0.1)
    is_right = outputs.argmax(1) == labels_t
    squared = ((outputs - np.eye(C)[labels_t]) ** 2).sum(1)
    assert found.accuracy == pytest.approx(is_right.mean(), rel=1e-12)
    assert found.squared_error == pytest.approx(squared.mean(), rel=1e-9)
    assert found.accuracy_error == pytest.approx(math.sqrt(is_right.mean() * (1 - is_right.mean()) / 59), rel=1e-9)
    assert found.squared_error_error == pytest.approx(squared.std(ddof=1) / math.sqrt(60), rel=1e-9)
    assert (found.n, found.m) == (30, 60)


def test_shifts_of_all_responses_change_no_decision() -> None:
    phi_s, phi_t, labels_s, labels_t = world(30)
    own, cross, y = phi_s @ phi_s.T, phi_t @ phi_s.T, one_hot(labels_s, C)
    plain = target_metrics_exact(own, cross, y, labels_t, 0.1)
    shifted = target_metrics_exact(own, cross, y - 1 / C, labels_t, 0.1)
    assert shifted.accuracy == plain.accuracy
    assert shifted.cross_entropy == pytest.approx(plain.cross_entropy, rel=1e-9)


def test_merged_statistics_of_a_coalition_give_the_exact_metrics() -> None:
    phi_s, phi_t, labels_s, labels_t = world(31)
    y = one_hot(labels_s, C)
    parts = [GradientStatistics.of(phi_s[part], np.zeros(len(part)), y[part]) for part in np.split(np.arange(31), [4, 19])]
    merged = target_metrics_from_statistics(reduce(GradientStatistics.__add__, parts), phi_t, labels_t, 0.1)
    whole = target_metrics_exact(phi_s @ phi_s.T, phi_t @ phi_s.T, y, torch.from_numpy(labels_t), 0.1)
    for name in ("accuracy", "squared_error", "cross_entropy", "scale", "damping", "effective_rank"):
        assert getattr(merged, name) == pytest.approx(getattr(whole, name), rel=1e-8), name
    assert (merged.n, merged.m) == (31, 60)


@pytest.mark.parametrize("damping", [0.01, 0.1])
def test_more_rows_and_cleaner_labels_better_every_metric(damping) -> None:
    few, many, noisy = (exact(*world(n, 400, seed=5, noise=share), damping) for n, share in ((20, 0), (300, 0), (300, 0.7)))
    assert many.accuracy > max(few.accuracy, noisy.accuracy) + 0.03
    assert many.cross_entropy < min(few.cross_entropy, noisy.cross_entropy) - 0.03
    assert many.squared_error < min(few.squared_error, noisy.squared_error)
    assert many.cross_entropy < math.log(C)


def test_cross_entropy_judges_each_row_by_a_scale_fitted_without_it() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, C, 40)
    outputs = 0.02 * (np.eye(C)[labels] + generator.normal(size=(40, C)))
    losses, scale = left_out_cross_entropy(outputs, labels)

    def best(rows: np.ndarray) -> float:
        def total(s: float) -> float:
            return float(-log_softmax(s * outputs[rows], axis=1)[np.arange(len(rows)), labels[rows]].sum())

        return float(minimize_scalar(total, bounds=(0, 1000), method="bounded", options={"xatol": 1e-7}).x)

    assert scale == pytest.approx(best(np.arange(40)), rel=1e-6)
    wanted = [-log_softmax(best(np.delete(np.arange(40), i)) * outputs[i])[labels[i]] for i in range(40)]
    in_sample = -log_softmax(scale * outputs, axis=1)[np.arange(40), labels]
    # Of what leaving a row out changes, one Newton step misses a share as small as its length relative to s.
    assert (np.abs(losses - wanted) <= 0.2 * np.abs(in_sample - wanted) + 1e-4).all()
    assert losses.mean() - in_sample.mean() == pytest.approx(np.mean(wanted) - in_sample.mean(), rel=0.1)


def test_cross_entropy_does_not_know_the_outputs_scale_or_shift() -> None:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, C, 50)
    outputs = np.eye(C)[labels] + generator.normal(size=(50, C))
    losses, scale = left_out_cross_entropy(outputs, labels)
    for factor in (1e-9, 1e6):
        moved, other = left_out_cross_entropy(factor * (outputs + generator.normal(size=(50, 1))), labels)
        np.testing.assert_allclose(moved, losses, rtol=1e-5)
        assert other * factor == pytest.approx(scale, rel=1e-5)


@pytest.mark.parametrize(("outputs", "told"), [(np.zeros((6, C)), 1), (-np.eye(C)[[0, 1, 2, 0, 1, 2]], 2)])
def test_outputs_that_tell_nothing_cost_log_c_and_the_opposite_twice_that(outputs, told) -> None:
    """The opposite of every label, reversed, would cost nothing: it lies as far on the other side of guessing."""
    metrics = row_metrics(outputs, np.array([0, 1, 2, 0, 1, 2]))
    np.testing.assert_allclose(metrics.cross_entropy, told * math.log(C), rtol=1e-4)
    assert np.sign(metrics.scale) == 1 - told


def test_ties_share_the_hit() -> None:
    assert row_metrics(np.zeros((6, C)), np.array([0, 1, 2, 0, 1, 2])).accuracy.tolist() == [1 / C] * 6
    assert row_metrics(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]), np.array([1, 2])).accuracy.tolist() == [0.5, 0.0]


def test_perfect_outputs_cost_nothing() -> None:
    labels = np.arange(30) % C
    metrics = row_metrics(0.1 * np.eye(C)[labels], labels)
    assert metrics.accuracy.min() == 1
    assert metrics.cross_entropy.max() < 1e-6
    assert math.isfinite(metrics.scale)


def test_refusals() -> None:
    phi_s, phi_t, labels_s, labels_t = world(12)
    own, cross, y = phi_s @ phi_s.T, phi_t @ phi_s.T, one_hot(labels_s, C)
    with pytest.raises(ShapeError, match="whole numbers from 0 to 2"):
        target_metrics_exact(own, cross, y, labels_t + 1, 0.1)
    with pytest.raises(ShapeError, match="m labels"):
        target_metrics_exact(own, cross, y, labels_t[:-1], 0.1)
    with pytest.raises(NumericalError, match="at least one row"):
        one_hot(np.zeros(0, dtype=int), C)
