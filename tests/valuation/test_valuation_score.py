"""Values, intervals, ranks and ties against their definitions."""

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.valuation.estimates import TermEstimates
from mixval.valuation.score import competition_ranks, tie_groups, value
from mixval.valuation.weights import Weights, weigh

K, R = 6, 4000


def make(noise: float) -> TermEstimates:
    rng = np.random.default_rng(0)
    terms = rng.uniform(0.5, 1.5, size=(K, 4))
    deviations = rng.normal(scale=noise, size=(R, K, 4))
    return TermEstimates(tuple("abcdef"), terms, np.full((K, 4), noise), deviations)


def test_contributions_add_up_and_higher_terms_lower_the_value() -> None:
    estimates = make(0.01)
    weights = weigh(estimates, "scale-matched")
    valued = value(estimates, weights)
    np.testing.assert_allclose(valued.contributions.sum(axis=1), valued.values, rtol=1e-12)
    worse = estimates.terms.copy()
    worse[2, 1] += 1.0
    moved = value(TermEstimates(estimates.contributors, worse, estimates.standard_errors, None), weights)
    assert moved.values[2] < valued.values[2]
    np.testing.assert_allclose(np.delete(moved.values, 2), np.delete(valued.values, 2), rtol=1e-13)


def test_intervals_have_the_width_of_the_deviations() -> None:
    estimates = make(0.01)
    weights = Weights("test", np.array([1.0, 2.0, 0.0, 0.0]), np.zeros(4), "")
    valued = value(estimates, weights, confidence=0.95)
    assert valued.low is not None
    assert valued.high is not None
    assert ((valued.low < valued.values) & (valued.values < valued.high)).all()
    # Two independent normals with weights 1 and 2: the 95 % interval is 2 x 1.96 x 0.01 x sqrt(5) wide; the quantiles of
    # 4,000 draws know that to a few percent.
    np.testing.assert_allclose(valued.high - valued.low, 2 * 1.96 * 0.01 * np.sqrt(5), rtol=0.08)


def test_equal_values_share_a_rank_and_the_next_is_skipped() -> None:
    assert competition_ranks(np.array([0.1, 0.3, 0.3 + 1e-15, 0.2])).tolist() == [4, 1, 1, 3]


def test_without_replicates_nobody_has_a_tie_group() -> None:
    assert tie_groups(np.array([3.0, 2.0, 2.0, 1.0]), None, 0.95).tolist() == [0, 0, 0, 0]


def test_an_unknown_spread_neither_leads_nor_joins_a_group() -> None:
    deviations = np.random.default_rng(4).normal(scale=0.1, size=(R, 4))
    known = tie_groups(np.array([12.0, 10.0, 5.0, 4.95]), deviations, 0.95)
    assert known.tolist() == [1, 2, 3, 3]
    deviations[:, 0] = np.nan  # the highest value: as leader all would tie with it
    assert tie_groups(np.array([12.0, 10.0, 5.0, 4.95]), deviations, 0.95).tolist() == [0, 1, 2, 2]
    assert tie_groups(np.array([5.0, 10.0, 5.0, 4.95]), deviations, 0.95).tolist() == [0, 1, 2, 2]


def test_noise_ties_neighbours_and_separates_the_far() -> None:
    values = np.array([10.0, 9.9, 0.0])
    deviations = np.random.default_rng(1).normal(scale=0.5, size=(R, 3))
    assert tie_groups(values, deviations, 0.95).tolist() == [1, 1, 2]


def test_what_contributors_share_cancels_in_comparisons() -> None:
    values = np.array([1.0, 0.9])
    shared = np.random.default_rng(2).normal(scale=5.0, size=(R, 1))
    own = np.random.default_rng(3).normal(scale=0.01, size=(R, 2))
    assert tie_groups(values, shared + own, 0.95).tolist() == [1, 2]


def test_a_single_contributor_is_valued() -> None:
    one = TermEstimates(("only",), np.ones((1, 4)), np.zeros((1, 4)), np.zeros((10, 1, 4)))
    valued = value(one, weigh(one, "equal-z"))
    assert (valued.values.tolist(), valued.ranks.tolist(), valued.tie_groups.tolist()) == ([0.0], [1], [1])


def test_what_is_not_finite_or_does_not_fit_is_refused_by_name() -> None:
    terms = np.ones((2, 4))
    terms[1, 2] = np.nan
    with pytest.raises(NumericalError, match=r"'b': ntk is not finite"):
        TermEstimates(("a", "b"), terms, np.zeros((2, 4)), None)
    with pytest.raises(ShapeError, match="terms must be"):
        TermEstimates(("a",), np.ones((2, 4)), np.zeros((2, 4)), None)
