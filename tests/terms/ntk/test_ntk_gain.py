"""The predicted gain of a causal language model against training a model that is linear in its parameters."""

import math

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.statistics import GradientStatistics
from tests.terms.ntk.ntk_predicted import gain_from_statistics, log_probability_gain


def world(n: int = 10, m: int = 6, q: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of S and T with a direction in common, and residuals in 0 to 1."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=q)
    return generator.normal(size=(n, q)) + common, generator.normal(size=(m, q)) + common, generator.random(n)


def test_ridge_is_the_dense_formula_and_sums_give_the_same() -> None:
    phi_s, phi_t, r = world()
    theta = phi_s @ phi_s.T
    change = phi_t @ phi_s.T @ np.linalg.inv(theta + 0.1 * np.trace(theta) / 10 * np.eye(10)) @ r
    found = log_probability_gain(theta, phi_t @ phi_s.T, r, 0.1)
    assert found.gain == pytest.approx(change.mean(), rel=1e-9)
    assert found.gain_error == pytest.approx(change.std(ddof=1) / math.sqrt(6), rel=1e-9)
    way = phi_s.T @ np.linalg.solve(theta + 0.1 * np.trace(theta) / 10 * np.eye(10), r)
    assert found.displacement == pytest.approx(np.linalg.norm(way), rel=1e-9)
    parts = [GradientStatistics.of(phi_s[:3], r[:3]), GradientStatistics.of(phi_s[3:], r[3:])]
    merged = gain_from_statistics(parts[0] + parts[1], phi_t, 0.1)
    assert merged.gain == pytest.approx(found.gain, rel=1e-9)
    assert merged.gain_error == pytest.approx(found.gain_error, rel=1e-9)
    assert merged.displacement == pytest.approx(found.displacement, rel=1e-9)
    assert (merged.n, merged.m, merged.damping) == (10, 6, pytest.approx(found.damping))


def test_tokens_weigh_rows_of_t() -> None:
    phi_s, phi_t, r = world()
    tokens = np.array([1, 2, 3, 1, 1, 4])
    blocks = phi_s @ phi_s.T, phi_t @ phi_s.T
    found = log_probability_gain(*blocks, r, 0.1, tokens_t=tokens)
    singles = [log_probability_gain(blocks[0], blocks[1][i : i + 1], r, 0.1).gain for i in range(6)]
    assert found.gain == pytest.approx(np.average(singles, weights=tokens), rel=1e-9)
    assert math.isnan(log_probability_gain(blocks[0], blocks[1][:1], r, 0.1).gain_error)
    alike = log_probability_gain(*blocks, r, 0.1, tokens_t=np.full(6, 7))
    wanted = log_probability_gain(*blocks, r, 0.1, tokens_t=np.full(6, 1))
    # Weights of 7 / 42 and of 1 / 6 are rounded differently: some eps of the gains, which do not cancel.
    assert (alike.gain, alike.gain_error) == pytest.approx((wanted.gain, wanted.gain_error), rel=1e-12)


def test_refusals() -> None:
    phi_s, phi_t, r = world()
    blocks = phi_s @ phi_s.T, phi_t @ phi_s.T
    with pytest.raises(ShapeError, match="token count for each of 6 rows"):
        log_probability_gain(*blocks, r, 0.1, tokens_t=np.ones(5))
    with pytest.raises(NumericalError, match="1 rows of T have no answer tokens"):
        log_probability_gain(*blocks, r, 0.1, tokens_t=np.arange(6))
    with pytest.raises(ShapeError, match="over the same rows of S"):
        log_probability_gain(*blocks, r[:-1], 0.1)
