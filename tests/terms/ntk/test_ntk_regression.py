"""Regression on the tangent kernel against a dense ridge, and against training itself on models that are linear already."""

from functools import reduce

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.regression import KernelRegression, feature_regression, kernel_regression
from mixval.terms.ntk.statistics import GradientStatistics

DAMPINGS = (1e-3, 0.1, 1.0)


def world(n: int = 9, m: int = 5, q: int = 14, n_classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of S (n, q) and T (m, q), and responses (n, C)."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, q)), generator.normal(size=(m, q)), generator.normal(size=(n, n_classes))


def from_kernel(phi_s: np.ndarray, phi_t: np.ndarray, responses: np.ndarray) -> KernelRegression:
    return kernel_regression(phi_s @ phi_s.T, phi_t @ phi_s.T, responses)


def from_sums(phi_s: np.ndarray, phi_t: np.ndarray, responses: np.ndarray) -> KernelRegression:
    return feature_regression(phi_s.T @ phi_s, phi_s.T @ responses, len(phi_s), phi_t)


def dense_ridge(phi_s: np.ndarray, phi_t: np.ndarray, responses: np.ndarray, damping: float) -> np.ndarray:
    theta = phi_s @ phi_s.T
    return phi_t @ phi_s.T @ np.linalg.inv(theta + damping * np.trace(theta) / len(theta) * np.eye(len(theta))) @ responses


@pytest.mark.parametrize("make", [from_kernel, from_sums])
@pytest.mark.parametrize(("n", "q"), [(9, 14), (14, 9), (1, 6), (6, 1)])
def test_ridge_is_the_dense_formula_from_blocks_and_from_sums(make, n, q) -> None:
    phi_s, phi_t, responses = world(n=n, q=q)
    for damping in DAMPINGS:
        wanted = dense_ridge(phi_s, phi_t, responses, damping)
        found = make(phi_s, phi_t, responses).predict(damping)
        np.testing.assert_allclose(found.values, wanted, rtol=1e-9, atol=1e-11)
        theta = phi_s @ phi_s.T
        assert found.damping == pytest.approx(damping * np.trace(theta) / n, rel=1e-12)
        smoother = theta @ np.linalg.inv(theta + found.damping * np.eye(n))
        assert found.effective_rank == pytest.approx(np.trace(smoother), rel=1e-9)
        assert found.residual_norm < 1e-12
    absolute = make(phi_s, phi_t, responses).predict(found.damping, "absolute")
    np.testing.assert_allclose(absolute.values, wanted, rtol=1e-9, atol=1e-11)


def test_sums_over_parts_give_the_coalition() -> None:
    phi_s, phi_t, responses = world(n=11)
    parts = [
        GradientStatistics.of(phi_s[part], responses[part, 0], responses[part]) for part in np.split(np.arange(11), [2, 7])
    ]
    coalition = reduce(GradientStatistics.__add__, parts)
    merged = feature_regression(coalition.gram, coalition.responses, coalition.n, phi_t)
    exact = from_kernel(phi_s, phi_t, responses)
    np.testing.assert_allclose(merged.predict(0.1).values, exact.predict(0.1).values, rtol=1e-9)


def test_no_damping_interpolates_s_and_much_damping_predicts_nothing() -> None:
    phi_s, _, responses = world(n=9, q=14)
    regression = from_kernel(phi_s, phi_s, responses)  # T is S
    np.testing.assert_allclose(regression.predict(1e-10).values, responses, rtol=1e-6, atol=1e-7)
    assert regression.predict(1e-10).effective_rank == pytest.approx(9, rel=1e-6)
    assert np.abs(regression.predict(1e10).values).max() < 1e-8


def trained(phi_s: np.ndarray, responses: np.ndarray, rate: float, n_steps: int, decay: float = 0.0) -> np.ndarray:
    """(q, C) weights after gradient descent from zero on |Y - Phi W|^2 / (2 n) + decay |W|^2 / (2 n)."""
    weights = np.zeros((phi_s.shape[1], responses.shape[1]))
    for _ in range(n_steps):
        weights -= rate / len(phi_s) * (phi_s.T @ (phi_s @ weights - responses) + decay * weights)
    return weights


def test_ridge_is_where_training_with_weight_decay_ends() -> None:
    phi_s, phi_t, responses = world()
    found = from_kernel(phi_s, phi_t, responses).predict(0.1)
    weights = trained(phi_s, responses, rate=0.1, n_steps=3000, decay=found.damping)
    np.testing.assert_allclose(phi_t @ weights, found.values, rtol=1e-8, atol=1e-10)


def test_rank_deficient_kernels_are_solved() -> None:
    phi_s, phi_t, responses = world(n=6)
    doubled, twice = np.repeat(phi_s, 2, axis=0), np.repeat(responses, 2, axis=0)
    # Every row twice doubles Theta's eigenvalues, and not lambda: the same as half of lambda.
    found = from_kernel(doubled, phi_t, twice).predict(0.1)
    np.testing.assert_allclose(found.values, from_kernel(phi_s, phi_t, responses).predict(0.05).values)


def test_refusals() -> None:
    phi_s, phi_t, responses = world()
    with pytest.raises(ShapeError, match=r"Theta\(T,S\) \(m, n\)"):
        kernel_regression(phi_s @ phi_s.T, phi_t, responses)
    with pytest.raises(ShapeError, match="of one sketch"):
        feature_regression(phi_s.T @ phi_s, phi_s.T @ responses, 9, phi_t[:, 1:])
    with pytest.raises(NumericalError, match="rows of S and of T"):
        kernel_regression(np.zeros((0, 0)), np.zeros((5, 0)), np.zeros((0, 3)))
    with pytest.raises(NumericalError, match="1 of 27 numbers are NaN"):
        from_kernel(phi_s, phi_t, np.where(np.arange(27).reshape(9, 3) == 4, np.nan, responses))
    with pytest.raises(NumericalError, match="every one of 9 gradients is zero"):
        from_kernel(0 * phi_s, phi_t, responses).predict(0.1)
    with pytest.raises(NumericalError, match="positive, finite damping"):
        from_kernel(phi_s, phi_t, responses).predict(0.0)
    with pytest.raises(NumericalError, match="not positive definite"):
        kernel_regression(np.diag([1.0, 1.0, -0.5]), np.ones((1, 3)), np.ones((3, 1))).predict(0.1)
