"""Sums of held rows: additive in any order, kept rows that stand for the others, stored and read back."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.valuation.summed_rows import SampledSums

Q, C = 6, 2


def source(seed: int, n: int, limit: int = 10, halvings: int = 0) -> SampledSums:
    """Of n admitted rows those measured whose key is below 1/2, 1/4, ... of all keys."""
    drawn = np.random.default_rng(seed)
    keys, phi, y = drawn.integers(0, 2**64, n, dtype=np.uint64), drawn.normal(size=(n, Q)), drawn.normal(size=(n, C))
    is_in = keys <= np.uint64(2 ** (64 - halvings) - 1)
    keys, phi, y = keys[is_in], phi[is_in], y[is_in]
    weight, first = n / len(keys), np.argsort(keys)[:limit]
    weights = np.full(len(first), weight)
    return SampledSums(
        n, len(keys), weight * phi.T @ phi, weight * phi.T @ y, limit, keys[first], phi[first], y[first], weights
    )


def same(one: SampledSums, other: SampledSums) -> None:
    assert (one.admitted, one.measured, one.limit) == (other.admitted, other.measured, other.limit)
    np.testing.assert_array_equal(one.keys, other.keys)
    for name in ("gram", "cross", "features", "responses", "weights"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, atol=1e-12)


def test_the_order_of_additions_changes_nothing() -> None:
    sources = [source(1, 8), source(2, 30, halvings=1), source(3, 5), source(1, 8)]  # the last is a copy of the first
    orders = [reduce(add, order) for order in itertools.permutations(sources)]
    for other in orders[1:]:
        same(orders[0], other)
    whole = np.concatenate([one.keys for one in sources])
    np.testing.assert_array_equal(orders[0].keys, np.sort(whole)[:10])


def test_of_copies_at_the_limit_the_same_stays_whatever_came_first() -> None:
    one = source(1, 8, limit=5)
    copy = replace(one, weights=3 * one.weights)
    same(one + copy, copy + one)
    assert (one + copy).weights.tolist() == [1, 3, 1, 3, 1]


def test_what_was_stored_is_read_back() -> None:
    one = source(1, 20)
    same(SampledSums.from_arrays(one.to_arrays()), one)
    with pytest.raises(ShapeError, match=r"no array \['gram'\]"):
        SampledSums.from_arrays({name: array for name, array in one.to_arrays().items() if name != "gram"})


def test_kept_rows_stand_for_all_that_were_measured() -> None:
    few = source(1, 8)
    _, each = few.first(10)
    np.testing.assert_array_equal(each, np.ones(8))
    # One source's rows were drawn by eighths.
    estimates, wanted = [], []
    for seed in range(40):
        dense, thin = source(2 * seed, 4000, limit=400), source(2 * seed + 1, 16000, limit=400, halvings=3)
        both = dense + thin
        rows, each = both.first(400)
        assert each.sum() == pytest.approx(both.measured)
        estimates.append(float(each[both.weights[rows] > 2].sum()))
        wanted.append(thin.measured)
    # Of 400 kept rows some 320 are the thin source's.
    assert np.mean(estimates) == pytest.approx(np.mean(wanted), rel=0.05)


def test_some_kept_rows_can_take_the_place_of_all() -> None:
    whole = source(1, 9)
    chosen = np.arange(9) < 4
    part, rest = whole.of_kept(chosen, 4), whole.of_kept(~chosen, 5)
    same(part + rest, whole)
    np.testing.assert_allclose(whole.of_kept(chosen, 40).gram, 10 * part.gram)
    assert (whole.of_kept(chosen, 40).measured, whole.of_kept(chosen, 40).admitted) == (4, 40)


def test_sums_of_other_sketches_or_of_no_rows_are_refused() -> None:
    with pytest.raises(ShapeError, match="add up over one sketch"):
        source(1, 8) + source(1, 8, limit=11)
    one = source(1, 8)
    with pytest.raises(ShapeError, match="0 rows measured of 0"):
        SampledSums(0, 0, one.gram, one.cross, 10, one.keys, one.features, one.responses, one.weights)
    with pytest.raises(ShapeError, match="at most 7 kept rows"):
        SampledSums(8, 8, one.gram, one.cross, 7, one.keys, one.features, one.responses, one.weights)
