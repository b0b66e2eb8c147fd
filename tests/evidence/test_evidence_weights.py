"""Weights fitted to truth: equal to a dense augmented solve, judged on contributors that were left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.stats import spearmanr

from mixval.errors import ConfigError
from mixval.evidence.weights import calibrate_weights, left_out_scores, rank_agreement
from mixval.valuation.fitting import RIDGES, fit_weights

SCALES = np.array([1.0, 0.1, 10.0, 0.01])


def planted(k: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    terms = 3.0 + random.normal(size=(k, 4)) * SCALES
    return terms, 0.8 - terms @ (np.array([0.3, 0.2, 0.0, 0.4]) / SCALES) + noise * random.normal(size=k)


def dense(terms: np.ndarray, truth: np.ndarray, ridge: float) -> np.ndarray:
    """min |Z w - b|^2 + ridge K |w|^2 over w >= 0, Z minus the standardised terms, as one augmented system."""
    z = -(terms - terms.mean(0)) / terms.std(0)
    rows = np.vstack([z, np.sqrt(ridge * len(truth)) * np.eye(4)])
    return nnls(rows, np.append(truth - truth.mean(), np.zeros(4)))[0] / terms.std(0)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_weights_are_those_of_the_augmented_system(noise: float) -> None:
    terms, truth = planted(12, noise)
    found = calibrate_weights(terms, truth, "planted").fit
    np.testing.assert_allclose(found.weights.coefficients, dense(terms, truth, found.ridge), rtol=1e-12)
    errors = []
    for ridge in RIDGES:
        kept = [np.arange(12) != out for out in range(12)]
        guesses = [truth[k].mean() - (terms[~k] - terms[k].mean(0)) @ dense(terms[k], truth[k], ridge) for k in kept]
        errors.append(np.mean((truth - np.concatenate(guesses)) ** 2))
    assert found.ridge == RIDGES[int(np.argmin(errors))]


def test_planted_weights_order_contributors_that_they_have_not_seen() -> None:
    terms, truth = planted(12)
    found = calibrate_weights(terms, truth, "planted")
    assert found.agreement.spearman == pytest.approx(1.0)
    assert 0.9 < found.agreement.low < found.agreement.high < 1.0
    assert (found.fit.weights.coefficients >= 0).all()


@pytest.mark.parametrize(("k", "n_folds"), [(8, 8), (43, 20)])
def test_a_score_comes_from_the_other_folds_alone(k: int, n_folds: int) -> None:
    terms, truth = planted(k, noise=0.3)
    changed = truth.copy()
    changed[3::n_folds] += 5.0  # the fold of contributor 3
    before, after = left_out_scores(terms, truth), left_out_scores(terms, changed)
    np.testing.assert_array_equal(before[3::n_folds], after[3::n_folds])
    others = np.arange(k) % n_folds != 3
    assert (before[others] != after[others]).any()
    kept = np.arange(k) % n_folds != 3
    weights = fit_weights(terms[kept], truth[kept], "").weights.coefficients
    np.testing.assert_allclose(before[3], -(terms[3] - terms.mean(0)) @ weights, rtol=1e-12)


def test_the_correlation_and_its_interval() -> None:
    random = np.random.default_rng(2)
    a = random.normal(size=30)
    b = a + random.normal(size=30)
    found = rank_agreement(a, b)
    r = spearmanr(a, b).statistic
    half = 1.959963984540054 * np.sqrt((1 + r**2 / 2) / 27)
    assert found.spearman == pytest.approx(r)
    assert (found.low, found.high) == pytest.approx((np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)))


def test_terms_that_say_nothing_have_no_correlation_and_not_minus_one() -> None:
    found = calibrate_weights(np.ones((8, 4)), np.arange(8.0), "constant")
    assert np.isnan(found.agreement.spearman)
    np.testing.assert_array_equal(found.fit.weights.coefficients, np.zeros(4))


def test_too_few_contributors_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 6 contributors with terms and truth, found 5"):
        calibrate_weights(*planted(5), "few")
