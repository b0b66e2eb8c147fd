"""The MMD against double loops, its independence of blocks and order, its standard error, its replicates."""

import itertools
import math

import numpy as np
import pytest
import torch

from mixval.errors import NumericalError, ShapeError
from mixval.terms.discrepancy.bandwidth import has_repeated_rows, median_bandwidth
from mixval.terms.discrepancy.mmd import MmdEstimate, measure_part, mmd_deviations, target_statistics
from mixval.terms.replicates import interval
from tests.terms.discrepancy.whole_mmd import mmd

BANDWIDTHS = (0.5, 1.0, 3.0)


def features(n: int, shift: float = 0.0, seed: int = 0, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)) + shift


def by_loops(target: np.ndarray, part: np.ndarray, combine: str, estimator: str) -> float:
    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        values = [math.exp(-float(((x - y) ** 2).sum()) / (2 * s**2)) for s in BANDWIDTHS]
        return sum(values) / (len(values) if combine == "mean" else 1)

    def within(rows: np.ndarray) -> float:
        pairs = itertools.product(range(len(rows)), repeat=2)
        kept = [kernel(rows[i], rows[j]) for i, j in pairs if estimator == "biased" or i != j]
        return sum(kept) / len(kept)

    across = [kernel(x, y) for x in target for y in part]
    return within(target) + within(part) - 2 * sum(across) / len(across)


@pytest.mark.parametrize("combine", ["mean", "sum"])
@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize(("m", "n"), [(2, 2), (7, 4), (5, 9)])
def test_equals_double_loops(combine: str, estimator: str, m: int, n: int) -> None:
    target, part = features(m), features(n, 0.7, seed=1)
    truth = by_loops(target, part, combine, estimator)
    for block_rows in (1, 3, 100):
        found = mmd(target, part, BANDWIDTHS, combine, estimator, "squared", block_rows)
        assert found.squared == pytest.approx(truth, rel=1e-12, abs=1e-13)
        assert found.value == pytest.approx(max(truth, 0.0), rel=1e-12, abs=1e-13)
        assert (found.m, found.n) == (m, n)
    root = mmd(target, part, BANDWIDTHS, combine, estimator, "root")
    assert root.value == pytest.approx(math.sqrt(max(truth, 0.0)), rel=1e-12)


def test_far_from_the_origin_nothing_is_lost() -> None:
    target, part = features(20), features(15, 0.5, seed=1)
    near, far = mmd(target, part, BANDWIDTHS), mmd(target + 2.0**20, part + 2.0**20, BANDWIDTHS)
    # Moving by 2^20 costs the features themselves 2^-33 of precision, and distances no more than that.
    assert far.squared == pytest.approx(near.squared, rel=1e-7)


def test_float32_tensors_are_summed_in_float64() -> None:
    target, part = features(20).astype(np.float32), features(15, 0.5, seed=1).astype(np.float32)
    found = mmd(torch.from_numpy(target), torch.from_numpy(part), BANDWIDTHS)
    wide = mmd(target.astype(np.float64), part.astype(np.float64), BANDWIDTHS)
    # Sums in float32 would be off by 1e-7.
    assert (found.squared, found.standard_error) == pytest.approx((wide.squared, wide.standard_error), rel=1e-11)


def test_order_does_not_matter() -> None:
    target, part = features(20), features(15, 0.5, seed=1)
    assert mmd(target[::-1], part[::-1], BANDWIDTHS).squared == pytest.approx(mmd(target, part, BANDWIDTHS).squared)


def test_same_rows_are_no_distance_apart() -> None:
    target = features(10)
    assert mmd(target, target, BANDWIDTHS, estimator="biased").squared == pytest.approx(0.0, abs=1e-14)
    unbiased = mmd(target, target, BANDWIDTHS)
    assert unbiased.squared < 0
    assert unbiased.value == 0.0


# Where the sets agree, the larger of two estimates of one number is taken: up to 1.3 times too wide, never too narrow.
@pytest.mark.parametrize(("shift", "widest"), [(0.0, 1.35), (0.3, 1.2), (1.0, 1.08)])
@pytest.mark.parametrize(("m", "n"), [(40, 40), (60, 15)])
def test_standard_error_is_the_spread_over_draws(shift: float, widest: float, m: int, n: int) -> None:
    values, variances = [], []
    for seed in range(600):
        generator = np.random.default_rng([seed, m])
        found = mmd(generator.normal(size=(m, 2)), generator.normal(size=(n, 2)) + shift, (1.0,))
        values.append(found.squared)
        variances.append(found.standard_error**2)
    # 600 draws know a standard deviation to 3%: below 0.92 would be too narrow by more than chance.
    assert 0.92 <= math.sqrt(np.mean(variances)) / np.std(values) <= widest


def test_row_moves_are_what_the_estimate_loses() -> None:
    target, part = features(80), features(60, 0.5, seed=1)
    found = mmd(target, part, BANDWIDTHS)
    for i in range(4):
        of_target = found.squared - mmd(np.delete(target, i, 0), part, BANDWIDTHS).squared
        of_part = found.squared - mmd(target, np.delete(part, i, 0), BANDWIDTHS).squared
        # To first order, up to what all rows' moves have in common.
        assert found.target_moves[i] == pytest.approx(of_target, abs=0.1 * np.abs(found.target_moves).max())
        assert found.part_moves[i] == pytest.approx(of_part, abs=0.1 * np.abs(found.part_moves).max())


def test_target_statistics_serve_every_part() -> None:
    target, parts = features(12), [features(n, 0.5, seed=n) for n in (4, 9)]
    statistics = target_statistics(target, BANDWIDTHS, "mean")
    for part in parts:
        estimate, alone = measure_part(statistics, part), mmd(target, part, BANDWIDTHS)
        assert (estimate.squared, estimate.standard_error) == pytest.approx((alone.squared, alone.standard_error), rel=1e-11)


def deviations_of(found: MmdEstimate, seed: int, scale: str = "root") -> np.ndarray:
    drawn = np.random.default_rng(seed)
    return mmd_deviations(found, scale, drawn.normal(size=(200, found.m)), drawn.normal(size=(200, found.n)))


@pytest.mark.parametrize("shift", [0.0, 0.25, 1.0])
def test_intervals_cover_near_the_bound_and_far_from_it(shift: float) -> None:
    """Against the distance of two Gaussians, 0 where they agree; nearly half of the estimates are clamped there."""
    wide, width = 1.0 + 2.0, 2
    truth = math.sqrt(2 * (1 / wide) ** (width / 2) * (1 - math.exp(-width * shift**2 / (2 * wide))))
    hits, widths = 0, []
    for seed in range(250):
        drawn = np.random.default_rng([seed, 5])
        found = mmd(drawn.normal(size=(40, width)), drawn.normal(size=(30, width)) + shift, (1.0,))
        low, high = interval(found.value, deviations_of(found, seed), 0.95)
        hits += low <= truth <= high
        widths.append(high - low)
        assert 0 <= low <= found.value <= high
    # 250 draws at 0.95: four standard deviations are 0.055.
    assert hits / 250 > 0.895
    assert min(widths) > 0


def test_two_rows_have_a_wide_interval_and_one_has_none() -> None:
    many, two = (
        [np.quantile(deviations_of(mmd(features(30), features(n, 0.5, seed=i), BANDWIDTHS), i), 0.975) for i in range(1, 7)]
        for n in (30, 2)
    )
    assert min(two) > max(many)
    one = mmd(features(30), features(1, seed=1), BANDWIDTHS, estimator="biased")
    assert np.isnan(deviations_of(one, 0)).all()


def test_too_few_rows_are_refused_by_name() -> None:
    with pytest.raises(NumericalError, match=r"the part has 1"):
        mmd(features(5), features(1), BANDWIDTHS)
    with pytest.raises(NumericalError, match=r"the target set T has 1"):
        mmd(features(1), features(5), BANDWIDTHS)
    with pytest.raises(NumericalError, match="at least one row"):
        mmd(features(5), features(0), BANDWIDTHS, estimator="biased")
    single = mmd(features(5), features(1), BANDWIDTHS, estimator="biased")
    assert single.standard_error is None


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="3 columns, as T has, found 2"):
        mmd(features(5), features(5, width=2), BANDWIDTHS)
    with pytest.raises(NumericalError, match="positive, finite bandwidths"):
        mmd(features(5), features(5), (1.0, 0.0))
    broken = features(5)
    broken[0, 0] = np.nan
    with pytest.raises(NumericalError, match="features of the part: 1 of 15"):
        mmd(features(5), broken, BANDWIDTHS)


def test_median_is_that_of_all_pairs() -> None:
    target = features(9) + 100.0
    distances = [math.dist(x, y) for x, y in itertools.combinations(target, 2)]
    assert median_bandwidth(target) == pytest.approx(np.median(distances), rel=1e-10)
    assert median_bandwidth(torch.from_numpy(target)) == pytest.approx(median_bandwidth(target), rel=1e-12)


def test_only_the_first_rows_count_for_the_median() -> None:
    target = np.random.default_rng(0).random((2003, 1))
    assert median_bandwidth(target) == pytest.approx(median_bandwidth(target[:2000]), rel=1e-12)


def test_repeated_rows_leave_the_distances_of_those_that_differ() -> None:
    few, apart = features(2), np.full((8, 3), 0.1)
    target = np.concatenate([apart, few])
    distances = [np.linalg.norm(one - other) for i, one in enumerate(target) for other in target[i + 1 :]]
    assert median_bandwidth(target) == pytest.approx(np.median([one for one in distances if one > 0]), rel=1e-9)
    assert (has_repeated_rows(target), has_repeated_rows(features(9))) == (True, False)
    assert median_bandwidth(np.full((5, 3), 0.1)) == pytest.approx(0.1 * math.sqrt(3))
    assert median_bandwidth(np.zeros((5, 3))) == 1.0
    with pytest.raises(NumericalError, match="at least 2 rows"):
        median_bandwidth(features(1))
