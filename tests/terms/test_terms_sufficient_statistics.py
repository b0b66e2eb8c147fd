"""Sufficient statistics of parts: adding two is computing on the coalition, for any split and order; terms from them are the
rows' terms."""

from __future__ import annotations

import itertools
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from mixval.errors import NumericalError, ShapeError
from mixval.terms.discrepancy.embedded_halves import embedded_half_samples, halved
from mixval.terms.discrepancy.random_features import embed, embedding_mmd, fourier_features
from mixval.terms.half_samples import GROUPS, half_groups, row_groups
from mixval.terms.loss.mean import estimate_loss
from mixval.terms.loss.sums import LossSums
from mixval.terms.ntk.kept_rows import KeptRows
from mixval.terms.sufficient_statistics import MeasuredRows, SufficientStatistics

FOURIER = fourier_features([0.7, 2.0], n_columns=3, n_frequencies=8, seed=4)


def rows(n: int, seed: int = 0, q: int = 6) -> MeasuredRows:
    rng = np.random.default_rng(seed)
    return MeasuredRows(
        keys=rng.integers(0, 2**64, size=n, dtype=np.uint64),
        losses=rng.gamma(2.0, size=n),
        counts=rng.integers(1, 9, size=n).astype(np.float64),
        features=rng.normal(size=(n, 3)),
        gradients=rng.normal(size=(n, q)).astype(np.float32),
        residual=rng.normal(size=n),
        responses=np.eye(2)[rng.integers(0, 2, size=n)],
    )


def assert_same(one: SufficientStatistics, other: SufficientStatistics) -> None:
    for name, array in one.to_arrays().items():
        np.testing.assert_allclose(other.to_arrays()[name], array, rtol=1e-11, atol=1e-11, err_msg=name)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 60), seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 60), max_size=4), kept=st.integers(0, 20))
def test_adding_is_computing_on_the_coalition_for_any_split_and_order(n, seed, cuts, kept) -> None:
    whole, rng = rows(n, seed), np.random.default_rng(seed)
    order = rng.permutation(n)
    edges = sorted({0, n, *(min(place, n) for place in cuts)})
    cut = [np.isin(np.arange(n), order[low:high]) for low, high in itertools.pairwise(edges)]
    pieces = [SufficientStatistics.of(whole.take(chosen), FOURIER, kept) for chosen in cut]
    rng.shuffle(pieces)
    assert_same(SufficientStatistics.of(whole, FOURIER, kept), reduce(add, pieces))


@pytest.mark.parametrize("kept", [0, 5, 100])  # no rows, some, all: all leave the products out of the file
def test_statistics_come_back_from_their_file(kept: int) -> None:
    statistics = SufficientStatistics.of(rows(30), FOURIER, kept)
    arrays = load(save({name: a.copy() for name, a in statistics.to_arrays().items()}))
    assert ("gradients/gram" in arrays) == (kept < 30)
    assert_same(statistics, SufficientStatistics.from_arrays(arrays))
    np.testing.assert_allclose(SufficientStatistics.from_arrays(arrays).gradients.gram, statistics.gradients.gram, rtol=1e-12)


def test_the_sums_give_the_loss_of_the_rows() -> None:
    given_rows = rows(40)
    sums = LossSums.of(given_rows.losses, given_rows.counts, given_rows.keys, 3)
    for average in ("example", "token"):
        found, wanted = sums.estimate(average), estimate_loss(given_rows.losses, given_rows.counts, average)
        assert found.mean == pytest.approx(wanted.mean, rel=1e-13)
        assert found.standard_error == pytest.approx(wanted.standard_error, rel=1e-9)
        assert (found.n, found.total, found.total_count) == (wanted.n, pytest.approx(wanted.total), wanted.total_count)


def test_half_samples_are_the_terms_of_the_rows_in_half_of_the_groups() -> None:
    part, target, kept = rows(90, 1), rows(70, 2), half_groups(5, seed=8)
    assert kept.shape == (5, GROUPS)
    assert (kept.sum(axis=1) == GROUPS // 2).all()
    masks = [kept[:, row_groups(one.keys, FOURIER.settings.seed)] for one in (part, target)]
    losses = LossSums.of(part.losses, part.counts, part.keys, FOURIER.settings.seed).half_samples(kept, "token")
    whole = [embed(FOURIER, one.features, one.keys) for one in (part, target)]
    distances = embedded_half_samples(whole[1], whole[0], kept, "unbiased", "squared")
    for r in range(5):
        own, of_target = (one.take(mask[r]) for one, mask in zip((part, target), masks, strict=True))
        assert losses[r] == pytest.approx(own.losses.sum() / own.counts.sum(), rel=1e-13)
        half = embedding_mmd(
            embed(FOURIER, of_target.features, of_target.keys), embed(FOURIER, own.features, own.keys), "unbiased", "squared"
        )
        assert distances[r] == pytest.approx(half.value, rel=1e-9, abs=1e-12)


def test_half_samples_spread_as_fresh_draws_do() -> None:
    """Of a mean loss: the half-groups' spread against that over 400 fresh sets of rows."""
    fresh = [LossSums.of(r.losses, r.counts, r.keys, 0).estimate("example").mean for r in (rows(200, s) for s in range(400))]
    own = [
        LossSums.of(r.losses, r.counts, r.keys, 0).half_samples(half_groups(100, 0), "example").std()
        for r in (rows(200, s) for s in range(40))
    ]
    assert np.mean(own) == pytest.approx(np.std(fresh), rel=0.15)


def test_a_set_too_small_to_halve_is_kept_whole() -> None:
    part, kept = rows(6), half_groups(7, seed=0)
    small, target = embed(FOURIER, part.features, part.keys), embed(FOURIER, rows(300, 3).features, rows(300, 3).keys)
    of_small = halved(small.group_counts, kept)
    assert of_small.all(axis=1).any()
    assert ((of_small @ small.group_counts >= 4) | of_small.all(axis=1)).all()
    np.testing.assert_array_equal(halved(target.group_counts, kept), kept)
    assert np.isfinite(embedded_half_samples(target, small, kept)).all()
    sums = LossSums.of(part.losses[:1], part.counts[:1], part.keys[:1], 0)
    np.testing.assert_allclose(sums.half_samples(kept, "example"), part.losses[0] / part.counts[0])


def test_kept_rows_are_those_with_the_smallest_keys() -> None:
    given_rows = rows(50)
    kept = KeptRows.of(12, given_rows.keys, given_rows.gradients, given_rows.residual)
    smallest = np.argsort(given_rows.keys)[:12]
    np.testing.assert_array_equal(kept.keys, given_rows.keys[smallest])
    np.testing.assert_array_equal(kept.features, given_rows.gradients[smallest])
    np.testing.assert_array_equal(kept.residual, given_rows.residual[smallest])


def test_what_was_made_otherwise_is_not_added() -> None:
    statistics = SufficientStatistics.of(rows(9), FOURIER, 5)
    with pytest.raises(ShapeError, match="the same settings"):
        statistics + SufficientStatistics.of(rows(9), fourier_features([0.7, 2.0], 3, 8, seed=5), 5)
    with pytest.raises(ShapeError, match="one limit"):
        statistics.kept + KeptRows.of(6, statistics.kept.keys, statistics.kept.features, statistics.kept.residual)
    with pytest.raises(ShapeError, match="over the same rows"):
        SufficientStatistics(
            statistics.losses, SufficientStatistics.of(rows(8), FOURIER, 5).embedding, statistics.gradients, statistics.kept
        )
    with pytest.raises(ShapeError, match="'losses'"):
        SufficientStatistics.from_arrays({})
    with pytest.raises(NumericalError, match="at least one row"):
        LossSums(np.zeros_like(statistics.losses.groups)).estimate("example")
