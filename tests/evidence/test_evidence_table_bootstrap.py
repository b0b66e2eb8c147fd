"""The bootstrap: the same bits again, intervals that cover, a test that keeps its level, Holm by the book."""

from __future__ import annotations

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.evidence.bootstrap import holm, interval, resampled, resamples, two_sided_p
from mixval.evidence.comparison_statistics import of_world
from mixval.terms.arrays import Floats


def correlated(random: np.random.Generator, rho: float, K: int) -> tuple[Floats, Floats]:
    truth, noise = random.normal(size=(2, K))
    return rho * truth + np.sqrt(1 - rho**2) * noise, truth


def test_resamples_are_the_same_again_and_differ_between_worlds_and_seeds() -> None:
    first = resamples("cifar10", 9, 50)
    assert first.shape == (50, 9)
    assert set(np.unique(first)) == set(range(9))
    np.testing.assert_array_equal(first, resamples("cifar10", 9, 50))
    assert (first != resamples("lm", 9, 50)).any()
    assert (first != resamples("cifar10", 9, 50, seed=1)).any()
    with pytest.raises(ShapeError, match="two contributors and a resample, found 1 and 50"):
        resamples("cifar10", 1, 50)


def test_a_resample_is_the_statistic_of_the_contributors_drawn() -> None:
    scores, truth = correlated(np.random.default_rng(0), 0.5, 9)
    picks = resamples("w", 9, 20)
    expected = [of_world("kendall", scores[pick], truth[pick]) for pick in picks]
    np.testing.assert_allclose(resampled("kendall", scores, truth, picks), expected, atol=1e-12)


def test_intervals_cover_the_true_correlation() -> None:
    random, rho, K = np.random.default_rng(1), 0.6, 40
    true = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's rho of a bivariate normal distribution
    picks, n_covered, n_trials = resamples("w", K, 400), 0, 200
    for _ in range(n_trials):
        scores, truth = correlated(random, rho, K)
        found = interval(of_world("spearman", scores, truth), resampled("spearman", scores, truth, picks))
        assert found.low <= found.value <= found.high
        n_covered += found.low <= true <= found.high
    # 95 % nominal; percentile intervals of 40 contributors fall a little short, and 200 trials have an error of 1.5 %
    assert 0.88 <= n_covered / n_trials <= 0.99


def test_the_paired_test_finds_a_difference_and_none_where_there_is_none() -> None:
    random, K, n_trials = np.random.default_rng(2), 40, 100
    picks = resamples("w", K, 400)
    rejected = {0.0: 0, 0.9: 0}
    for strength in rejected:
        for _ in range(n_trials):
            truth = random.normal(size=K)
            weak, other = truth + 2 * random.normal(size=(2, K))
            strong = strength * truth + (1 - strength) * other
            difference = resampled("spearman", strong, truth, picks) - resampled("spearman", weak, truth, picks)
            rejected[strength] += two_sided_p(difference) < 0.05
    assert rejected[0.0] / n_trials <= 0.12  # nominal 5 %, error of 100 trials 2.2 %
    assert rejected[0.9] / n_trials >= 0.95


def test_p_values_reach_from_what_resamples_can_tell_to_one() -> None:
    assert two_sided_p(np.ones(999)) == pytest.approx(2 / 1000)
    assert two_sided_p(-np.ones(999)) == pytest.approx(2 / 1000)
    assert two_sided_p(np.zeros(999)) == 1.0
    assert two_sided_p(np.array([-1.0] * 99 + [1.0] * 900)) == pytest.approx(0.2)


def test_holm_steps_down() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])  # Holm 1979, by hand
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1.0, 1.0])
    assert holm(np.empty(0)).shape == (0,)
