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
from mixval.terms.discrepancy.random_features import MeanEmbedding, embed, embedding_mmd, fourier_features
from mixval.terms.loss.mean import estimate_loss
from mixval.terms.loss.sums import LossSums
from mixval.terms.ntk.kept_rows import KeptRows
from mixval.terms.replicates import row_groups
from mixval.terms.sufficient_statistics import MeasuredRows, SmallStatistics, SufficientStatistics

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
    made = SufficientStatistics.arrays_of(rows(30), FOURIER, kept)
    assert {name: array.dtype for name, array in made.items()} == {name: array.dtype for name, array in arrays.items()}
    for name, array in made.items():
        np.testing.assert_allclose(array, arrays[name], rtol=1e-14, err_msg=name)
    small = SmallStatistics.from_arrays(arrays)
    assert (small.n, small.keys.tolist()) == (30, statistics.kept.keys.tolist())
    np.testing.assert_array_equal(small.embedding.sums, statistics.embedding.sums)
    with pytest.raises(ShapeError, match="kept/keys"):
        SmallStatistics.from_arrays({name: array for name, array in arrays.items() if name != "kept/keys"})


def test_the_sums_give_the_loss_of_the_rows() -> None:
    given_rows = rows(40)
    sums = LossSums.of(given_rows.losses, given_rows.counts, given_rows.keys, 3)
    for average in ("example", "token"):
        found, wanted = sums.estimate(average), estimate_loss(given_rows.losses, given_rows.counts, average)
        assert found.mean == pytest.approx(wanted.mean, rel=1e-13)
        assert found.standard_error == pytest.approx(wanted.standard_error, rel=1e-9)
        assert (found.n, found.total, found.total_count) == (wanted.n, pytest.approx(wanted.total), wanted.total_count)


def test_moves_of_groups_are_those_of_the_terms_without_them() -> None:
    part, target = rows(900, 1), rows(700, 2)
    seed = FOURIER.settings.seed
    sums, whole = LossSums.of(part.losses, part.counts, part.keys, seed), sums_of(target)
    own, moves = sums_of(part), LossSums.of(part.losses, part.counts, part.keys, seed).moves("token")
    found = embedding_mmd(whole, own, "unbiased", "squared")
    for group in range(5):
        left = part.take(row_groups(part.keys, seed) != group)
        without = LossSums.of(left.losses, left.counts, left.keys, seed).estimate("token").mean
        assert moves[group] == pytest.approx(sums.estimate("token").mean - without, rel=0.1)
        fall = found.squared - embedding_mmd(whole, sums_of(left), "unbiased", "squared").squared
        # To first order: a group is a thirtieth of the rows.
        assert found.part_moves[group] == pytest.approx(fall, abs=0.1 * np.abs(found.part_moves).max())


def sums_of(given: MeasuredRows) -> MeanEmbedding:
    return embed(FOURIER, given.features, given.keys)


def test_deviations_spread_as_fresh_draws_do() -> None:
    """Of a mean loss: the groups' spread against that over 400 fresh sets of rows."""
    fresh = [LossSums.of(r.losses, r.counts, r.keys, 0).estimate("example").mean for r in (rows(200, s) for s in range(400))]
    own = [
        np.sqrt((LossSums.of(r.losses, r.counts, r.keys, 0).moves("example") ** 2).sum())
        for r in (rows(200, s) for s in range(40))
    ]
    assert np.mean(own) == pytest.approx(np.std(fresh), rel=0.15)


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
