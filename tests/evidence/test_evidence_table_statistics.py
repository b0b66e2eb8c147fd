"""Rank statistics against scipy with ties, regret against enumeration, and what cannot be compared."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from mixval.errors import NumericalError, ShapeError
from mixval.evidence import comparison_statistics
from mixval.evidence.comparison_statistics import STATISTICS, kendall, of_world, pearson, spearman, top_regret


@pytest.mark.parametrize("n_values", [3, 7, 1000])
@pytest.mark.parametrize("K", [4, 13, 40])
def test_correlations_are_scipys_with_and_without_ties(n_values: int, K: int) -> None:
    random = np.random.default_rng([n_values, K])
    scores, truth = random.integers(n_values, size=(2, 20, K)).astype(float)
    is_told = np.array([len(set(a)) > 1 and len(set(b)) > 1 for a, b in zip(scores, truth, strict=True)])
    scores, truth = scores[is_told], truth[is_told]
    pairs = list(zip(scores, truth, strict=True))
    expected = [stats.spearmanr(a, b).statistic for a, b in pairs]
    np.testing.assert_allclose(spearman(scores, truth), expected, atol=1e-12)
    np.testing.assert_allclose(kendall(scores, truth), [stats.kendalltau(a, b).statistic for a, b in pairs], atol=1e-12)
    np.testing.assert_allclose(pearson(scores, truth), [stats.pearsonr(a, b).statistic for a, b in pairs], atol=1e-12)


def test_kendall_does_not_depend_on_how_many_rows_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, truth = np.random.default_rng(0).integers(9, size=(2, 7, 11)).astype(float)
    whole = kendall(scores, truth)
    monkeypatch.setattr(comparison_statistics, "PAIR_SIGNS", 2 * 11**2)
    np.testing.assert_array_equal(kendall(scores, truth), whole)


@pytest.mark.parametrize("name", ["spearman", "kendall", "pearson"])
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9 / 3])
def test_constant_scores_say_nothing(name: str, constant: float) -> None:
    flat, truth = np.full(7, constant), np.arange(7.0)
    assert of_world(name, flat, truth) == of_world(name, truth, flat) == of_world(name, flat, flat) == 0.0


def test_regret_counts_from_the_best_choice_to_the_worst() -> None:
    truth = np.random.default_rng(1).normal(size=12)
    assert of_world("top_regret", truth, truth) == pytest.approx(0.0, abs=1e-12)
    assert of_world("top_regret", -truth, truth) == pytest.approx(1.0)
    scores = np.random.default_rng(2).normal(size=12)
    best, worst, chosen = (truth[np.argsort(key)[-5:]].mean() for key in (truth, -truth, scores))
    assert of_world("top_regret", scores, truth) == pytest.approx((best - chosen) / (best - worst))
    assert of_world("top_regret", scores, np.full(12, 0.5)) == 0.0


def test_ties_for_the_last_places_are_drawn_by_a_fair_lot() -> None:
    scores, truth = np.array([3.0, 1.0, 1.0, 1.0, 0.0, 0.0]), np.array([0.2, 0.9, 0.1, 0.5, 0.7, 0.3])
    lots = [np.array([3.0, *lot, 0.0, 0.0]) for lot in permutations([1.0, 1.1, 1.2])]
    expected = np.mean([of_world("top_regret", lot, truth) for lot in lots])
    assert of_world("top_regret", scores, truth) == pytest.approx(expected)


def test_every_statistic_is_the_same_for_any_order_of_contributors() -> None:
    scores, truth = np.random.default_rng(3).integers(6, size=(2, 1, 15)).astype(float)
    order = np.random.default_rng(4).permutation(15)
    for statistic in STATISTICS.values():
        np.testing.assert_allclose(statistic(scores[:, order], truth[:, order]), statistic(scores, truth), atol=1e-12)
    assert top_regret(scores, truth).shape == (1,)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"found shapes \(3,\) and \(2,\)"):
        of_world("spearman", np.arange(3.0), np.arange(2.0))
    with pytest.raises(ShapeError, match="at least two"):
        of_world("kendall", np.arange(1.0), np.arange(1.0))
    with pytest.raises(NumericalError, match="NaN or infinity"):
        of_world("pearson", np.array([1.0, np.nan]), np.arange(2.0))
