"""Parts into wholes, the bound of Theorem 1, half-samples and what is read off them."""

import math

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.bound import bound
from mixval.terms.half_samples import deviations, half_masks, splitmix64
from mixval.terms.parts import combine_parts, combine_variances
from tests.terms.half_sample_spread import interval, spread


def test_parts_mix_by_share() -> None:
    values = {"real": 2.0, "synthetic": 6.0}
    assert combine_parts(values, 30, 10) == pytest.approx(3.0)
    assert combine_variances(values, 30, 10) == pytest.approx(0.5625 * 2 + 0.0625 * 6)
    assert combine_parts({"real": 2.0, "synthetic": None}, 5, 0) == 2.0
    assert combine_parts({"real": math.nan, "synthetic": 6.0}, 0, 5) == 6.0


def test_parts_must_be_there() -> None:
    with pytest.raises(NumericalError, match="'synthetic' has 3 rows but no value"):
        combine_parts({"real": 2.0, "synthetic": None}, 5, 3)
    with pytest.raises(NumericalError, match="rows in at least one part"):
        combine_parts({"real": 2.0, "synthetic": None}, 0, 0)
    with pytest.raises(NumericalError, match="fake"):
        combine_parts({"real": 2.0, "fake": 1.0}, 5, 0)


def test_bound_by_hand() -> None:
    found = bound(1.0, 0.5, 0.2, 30, 10, 0.05, 2.0)
    assert found == pytest.approx(1.0 + 0.5 + 0.4 + 3 * math.sqrt(2 * 0.75 * math.log(160) / 40))


@pytest.mark.parametrize(("loss", "delta", "said"), [(1.0, 1.0, "delta"), (math.nan, 0.05, "loss=nan")])
def test_bound_refusals(loss: float, delta: float, said: str) -> None:
    with pytest.raises(NumericalError, match=said):
        bound(loss, 0.5, 0.2, 30, 10, delta, 1.0)


def keys(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**64, size=n, dtype=np.uint64)


def test_half_masks_keep_half_of_each_part() -> None:
    is_real = np.arange(14) < 9
    masks = half_masks(keys(14), is_real, 50, seed=3)
    assert masks.shape == (50, 14)
    assert set(masks[:, is_real].sum(axis=1)) == {4}
    assert set(masks[:, ~is_real].sum(axis=1)) == {2}
    assert half_masks(keys(1), np.array([True]), 3, seed=0).all()


def test_half_masks_follow_rows_not_their_order() -> None:
    is_real, order = np.arange(14) < 9, np.random.default_rng(1).permutation(14)
    masks = half_masks(keys(14), is_real, 20, seed=3)
    assert np.array_equal(half_masks(keys(14)[order], is_real[order], 20, seed=3), masks[:, order])


def test_half_masks_differ_by_replicate_and_seed_and_treat_rows_alike() -> None:
    is_real = np.ones(20, dtype=bool)
    masks = half_masks(keys(20), is_real, 4000, seed=3)
    assert len(np.unique(masks[:50], axis=0)) == 50
    assert not np.array_equal(masks[:50], half_masks(keys(20), is_real, 50, seed=4))
    # 4000 fair draws of a half: 5 standard deviations are 0.04.
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 0.04
    coalition_results = (masks[:, 0] & masks[:, 1]).mean()
    assert coalition_results == pytest.approx(0.5 * 9 / 19, abs=0.04)


def test_splitmix64_is_the_published_sequence() -> None:
    # First outputs of the reference generator from state 1234567 (each call adds the increment to the state).
    step = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + i * step) % 2**64 for i in range(3)], dtype=np.uint64)
    assert splitmix64(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_half_masks_refuse_other_types() -> None:
    with pytest.raises(ShapeError, match="uint64"):
        half_masks(keys(3).astype(np.int64), np.ones(3, bool), 2, seed=0)


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_spread_of_half_samples_is_the_standard_error(share: float) -> None:
    generator = np.random.default_rng(5)
    values = generator.normal(size=200)
    m = int(200 * share)
    replicates = [values[generator.permutation(200)[:m]].mean() for _ in range(4000)]
    assert spread(np.array(replicates), 200, m) == pytest.approx(values.std(ddof=1) / math.sqrt(200), rel=0.05)


def test_interval_covers_as_often_as_it_says() -> None:
    generator, hits = np.random.default_rng(6), 0
    for _ in range(300):
        values = generator.normal(size=60)
        kept = np.argsort(generator.random((200, 60)), axis=1)[:, :30]
        low, high = interval(float(values.mean()), values[kept].mean(axis=1), 60, 30, 0.9)
        hits += low <= 0 <= high
    # 300 draws at 0.9: three standard deviations are 0.05.
    assert hits / 300 == pytest.approx(0.9, abs=0.055)


def test_deviations_refusals() -> None:
    with pytest.raises(NumericalError, match="0 < m < n"):
        deviations(np.array([1.0, 2.0]), 10, 10)
    with pytest.raises(NumericalError, match="1 replicates"):
        deviations(np.array([1.0]), 10, 5)
