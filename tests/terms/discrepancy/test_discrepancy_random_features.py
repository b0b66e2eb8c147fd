"""The MMD from Fourier features against the exact one, coalitions of embeddings, both of its errors, what it refuses."""

import math

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.terms.discrepancy.random_features import (
    GROUPS,
    EmbeddedMmd,
    FourierFeatures,
    MeanEmbedding,
    embed,
    embedding_mmd,
    fourier_features,
)
from tests.terms.discrepancy.whole_mmd import mmd

BANDWIDTHS = (1.0, 2.0, 4.0)
WIDTH = 4


def features(n: int, shift: float = 0.0, seed: int = 0, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)) + shift


def keys(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, 1]).integers(0, 2**63, size=n).astype(np.uint64)


def compared(fourier: FourierFeatures, target: np.ndarray, part: np.ndarray, estimator: str = "unbiased") -> EmbeddedMmd:
    of_target, of_part = embed(fourier, target, keys(len(target))), embed(fourier, part, keys(len(part), 2))
    return embedding_mmd(of_target, of_part, estimator, "squared")


@pytest.mark.parametrize("combine", ["mean", "sum"])
@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize(("m", "n", "n_frequencies"), [(2, 2, 7), (9, 6, 6), (5, 40, 32)])
def test_equals_the_matrix_of_its_own_kernel(combine: str, estimator: str, m: int, n: int, n_frequencies: int) -> None:
    fourier = fourier_features(BANDWIDTHS, WIDTH, n_frequencies, 3, combine, block_rows=4)
    rows = np.concatenate([features(m), features(n, 0.5, seed=1)])
    phases = (rows[:, None, :] - rows[None, :, :]) @ fourier.frequencies.T
    split = np.split(np.cos(phases), np.cumsum(fourier.settings.counts)[:-1], axis=2)
    k = sum(one.mean(axis=2) for one in split) / (len(split) if combine == "mean" else 1)
    tt, ss, ts = k[:m, :m], k[m:, m:], k[:m, m:]
    if estimator == "biased":
        truth = tt.mean() + ss.mean() - 2 * ts.mean()
    else:
        truth = (tt.sum() - np.trace(tt)) / (m * (m - 1)) + (ss.sum() - np.trace(ss)) / (n * (n - 1)) - 2 * ts.mean()
    found = compared(fourier, rows[:m], rows[m:], estimator)
    assert found.squared == pytest.approx(truth, rel=1e-11, abs=1e-13)
    assert found.value == max(found.squared, 0.0)
    assert (found.m, found.n) == (m, n)


def test_error_shrinks_as_one_over_the_root_of_the_frequencies() -> None:
    target, part = features(80), features(60, 0.5, seed=1)
    truth = mmd(target, part, BANDWIDTHS).squared
    errors = {}
    for n_frequencies in (48, 768):
        found = [compared(fourier_features(BANDWIDTHS, WIDTH, n_frequencies, seed), target, part) for seed in range(60)]
        off = np.array([one.squared - truth for one in found])
        errors[n_frequencies] = math.sqrt((off**2).mean())
        # Unbiased: a mean of 60 lies within 3.5 of its standard errors, but for one time in 2000.
        assert abs(off.mean()) <= 3.5 * off.std(ddof=1) / math.sqrt(60)
        stated = math.sqrt(np.mean([one.approximation_error**2 for one in found]))
        # 60 seeds know a root mean square to 9%; orthogonal frequencies do better than the spread of single ones tells.
        assert errors[n_frequencies] <= 1.25 * stated
    # sqrt(16) = 4 in the limit, with 13% of chance in the ratio.
    assert 2.8 <= errors[48] / errors[768] <= 5.6


@pytest.mark.parametrize("seed", range(15))
def test_a_coalition_is_the_sum_in_any_split_and_order(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n, pieces = int(draw.integers(6, 90)), int(draw.integers(1, 7))
    fourier = fourier_features(BANDWIDTHS, WIDTH, 24, block_rows=int(draw.integers(1, 40)))
    rows, names = features(n, 0.3, seed), keys(n, seed)
    whole, target = embed(fourier, rows, names), embed(fourier, features(20), keys(20, 2))
    cuts = np.sort(draw.integers(0, n + 1, size=pieces - 1))  # some pieces are empty
    parts = [embed(fourier, rows[i], names[i]) for i in np.split(draw.permutation(n), cuts)]
    for order in (parts, parts[::-1]):
        coalition = order[0]
        for one in order[1:]:
            coalition = coalition + one
        assert coalition.n == whole.n == n
        assert coalition.group_counts.tolist() == whole.group_counts.tolist()
        np.testing.assert_allclose(coalition.sums, whole.sums, rtol=0, atol=1e-12 * n)
        found, truth = embedding_mmd(target, coalition), embedding_mmd(target, whole)
        assert found.squared == pytest.approx(truth.squared, rel=1e-10, abs=1e-13)
        assert found.standard_error == pytest.approx(truth.standard_error, rel=1e-9)
        assert found.approximation_error == pytest.approx(truth.approximation_error, rel=1e-9)


def test_everybody_draws_the_same_frequencies() -> None:
    one, again = fourier_features(BANDWIDTHS, WIDTH, 30, 5), fourier_features(BANDWIDTHS, WIDTH, 30, 5)
    assert one.frequencies.tobytes() == again.frequencies.tobytes()
    assert not np.isclose(fourier_features(BANDWIDTHS, WIDTH, 30, 6).frequencies, one.frequencies).any()
    directions = one.frequencies / np.linalg.norm(one.frequencies, axis=1, keepdims=True)
    assert not np.isclose(directions[:10], directions[10:20]).any()
    # A bandwidth that another machine rounded otherwise moves frequencies by as much, and no more.
    rounded = fourier_features(tuple(np.nextafter(BANDWIDTHS, 9.0)), WIDTH, 30, 5)
    np.testing.assert_allclose(rounded.frequencies, one.frequencies, rtol=1e-14)


def test_frequencies_are_normal_and_orthogonal_in_blocks() -> None:
    draws = np.concatenate([fourier_features((2.0,), 8, 20, seed).frequencies[:16] for seed in range(200)])
    # Means of 25,600 numbers, a hundredth known to 1.6: four of those.
    assert 2 * draws.mean() == pytest.approx(0.0, abs=0.025)
    assert 4 * (draws**2).mean() == pytest.approx(1.0, abs=0.04)
    assert 16 * (draws**4).mean() == pytest.approx(3.0, abs=0.25)
    gram = draws[:8] @ draws[:8].T
    np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0.0, atol=1e-12)


# Where the sets agree, the larger of two estimates of one number is taken, as in the exact form.
@pytest.mark.parametrize(
    ("width", "shift", "widest"), [(2, 0.0, 1.3), (8, 0.0, 1.2), (2, 0.4, 1.25), (8, 0.2, 1.25), (2, 1.2, 1.15)]
)
def test_standard_error_is_the_spread_over_draws(width: int, shift: float, widest: float) -> None:
    fourier = fourier_features((1.5,), width, 40)
    values, variances = [], []
    for seed in range(400):
        draw = np.random.default_rng([seed, 7])
        target, part = draw.normal(size=(150, width)), draw.normal(size=(100, width)) + shift
        names = draw.integers(0, 2**63, size=250).astype(np.uint64)
        found = embedding_mmd(embed(fourier, target, names[:150]), embed(fourier, part, names[150:]))
        values.append(found.squared)
        variances.append(found.standard_error**2)
    # 400 draws know a standard deviation to 3.5%.
    assert 0.9 <= math.sqrt(np.mean(variances)) / np.std(values) <= widest


def test_copies_of_rows_do_not_narrow_the_standard_error() -> None:
    fourier = fourier_features((1.5,), 2, 40)
    values, variances = [], []
    for seed in range(300):
        draw = np.random.default_rng([seed, 7])
        target, part = draw.normal(size=(150, 2)), draw.normal(size=(50, 2)) + 0.6
        names = draw.integers(0, 2**63, size=200).astype(np.uint64)
        copied = embed(fourier, np.repeat(part, 4, axis=0), np.repeat(names[150:], 4))
        found = embedding_mmd(embed(fourier, target, names[:150]), copied)
        values.append(found.squared)
        variances.append(found.standard_error**2)
    # 300 draws know a standard deviation to 4%; taken for 200 rows of their own it would be little more than half of it.
    assert 0.88 <= math.sqrt(np.mean(variances)) / np.std(values) <= 1.2


def test_survives_as_arrays() -> None:
    fourier = fourier_features(BANDWIDTHS, WIDTH, 24, 5, "sum")
    target, part = embed(fourier, features(20), keys(20)), embed(fourier, features(15, 1.0, seed=1), keys(15, 2))
    arrays = part.to_arrays()
    assert all(array.dtype in (np.float64, np.int64) for array in arrays.values())
    assert embedding_mmd(target, MeanEmbedding.from_arrays(arrays)) == embedding_mmd(target, part)
    assert embedding_mmd(target, part).value == pytest.approx(math.sqrt(embedding_mmd(target, part).squared))
    with pytest.raises(ShapeError, match=r"no array \['group_counts'\]"):
        MeanEmbedding.from_arrays({name: array for name, array in arrays.items() if name != "group_counts"})
    with pytest.raises(ShapeError, match=rf"expected sums \({GROUPS}, 48\)"):
        MeanEmbedding.from_arrays(arrays | {"group_sums": arrays["group_sums"][:, :-1]})
    with pytest.raises(ShapeError, match=r"expected 4 numbers in 'settings', found \(3,\)"):
        MeanEmbedding.from_arrays(arrays | {"settings": arrays["settings"][:3]})


def test_copies_of_a_row_lie_in_one_group() -> None:
    fourier = fourier_features(BANDWIDTHS, WIDTH, 24)
    copies = embed(fourier, np.repeat(features(1), 10, axis=0), np.repeat(keys(1), 10))
    assert sorted(copies.group_counts)[-2:] == [0.0, 10.0]
    assert embedding_mmd(embed(fourier, features(50), keys(50)), copies).standard_error is None


def test_inputs_that_do_not_fit_are_refused() -> None:
    fourier = fourier_features(BANDWIDTHS, WIDTH, 24)
    target = embed(fourier, features(20), keys(20))
    with pytest.raises(ShapeError, match=r"expected the same settings.*Embed both with the same bandwidths"):
        embedding_mmd(target, embed(fourier_features(BANDWIDTHS, WIDTH, 24, 1), features(5), keys(5)))
    with pytest.raises(ShapeError, match="expected the same settings"):
        target + embed(fourier_features(BANDWIDTHS[:2], WIDTH, 24), features(5), keys(5))
    with pytest.raises(NumericalError, match="the part has 1"):
        embedding_mmd(target, embed(fourier, features(1), keys(1)))
    with pytest.raises(NumericalError, match=r"biased MMD needs at least 1 rows .* target set T has 0"):
        embedding_mmd(embed(fourier, features(0), keys(0)), target, "biased")
    with pytest.raises(ShapeError, match="4 columns, as T has, found 2"):
        embed(fourier, features(5, width=2), keys(5))
    with pytest.raises(ShapeError, match=r"expected \(5,\) uint64 keys, found int64"):
        embed(fourier, features(5), np.arange(5))
    with pytest.raises(NumericalError, match="at least 2 frequencies for each of 3 bandwidths, found 5"):
        fourier_features(BANDWIDTHS, WIDTH, 5)
    with pytest.raises(NumericalError, match="positive, finite bandwidths"):
        fourier_features((0.0,), WIDTH, 24)
    with pytest.raises(NumericalError, match="features to embed: 1 of 20 numbers"):
        embed(fourier, np.where(np.arange(20).reshape(5, 4) == 7, np.nan, 0.0), keys(5))
