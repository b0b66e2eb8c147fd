"""The permutation test against recomputed MMDs, its p-values where the sets agree and where they do not."""

import itertools

import numpy as np
import pytest

from mixval.errors import NumericalError, ShapeError
from mixval.seeds import generator
from mixval.terms.discrepancy.permutation import ASSIGNMENTS_AT_ONCE, permutation_test
from tests.terms.discrepancy.whole_mmd import mmd

BANDWIDTHS = (0.5, 1.0, 3.0)


def features(n: int, shift: float = 0.0, seed: int = 0, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)) + shift


@pytest.mark.parametrize("combine", ["mean", "sum"])
@pytest.mark.parametrize(("m", "n", "n_permutations"), [(2, 2, 5), (7, 4, 40), (5, 9, ASSIGNMENTS_AT_ONCE + 3)])
def test_equals_the_naive_recomputation(combine: str, m: int, n: int, n_permutations: int) -> None:
    target, part = features(m), features(n, 0.4, seed=1)
    pooled, signs = np.concatenate([target, part]), np.repeat(np.array([-1, 1], dtype=np.int8), [m, n])
    observed = mmd(target, part, BANDWIDTHS, combine).squared
    draws, reached = generator("mmd-permutations", 3), 0
    for _ in range(n_permutations):
        permuted = signs.copy()
        draws.shuffle(permuted)
        reached += mmd(pooled[permuted < 0], pooled[permuted > 0], BANDWIDTHS, combine).squared >= observed - 1e-12
    for block_rows in (1, 4, 100):
        found = permutation_test(target, part, BANDWIDTHS, combine, n_permutations, 3, block_rows)
        assert found.p_value == (1 + reached) / (1 + n_permutations)
        assert found.squared == pytest.approx(observed, rel=1e-11, abs=1e-13)
        assert (found.n, found.m, found.n_permutations) == (n, m, n_permutations)


def test_tends_to_the_share_of_all_assignments() -> None:
    target, part = features(5), features(4, 0.8, seed=1)
    pooled, observed = np.concatenate([target, part]), mmd(target, part, BANDWIDTHS).squared
    chosen = [np.isin(np.arange(9), rows) for rows in itertools.combinations(range(9), 4)]
    share = np.mean([mmd(pooled[~rows], pooled[rows], BANDWIDTHS).squared >= observed - 1e-12 for rows in chosen])
    # 3999 draws know a share to 0.008 at most.
    assert permutation_test(target, part, BANDWIDTHS, n_permutations=3999).p_value == pytest.approx(share, abs=0.028)


def test_p_is_uniform_where_the_sets_agree() -> None:
    values = []
    for seed in range(300):
        target, part = features(14, seed=2 * seed), features(9, seed=2 * seed + 1)
        values.append(permutation_test(target, part, BANDWIDTHS, n_permutations=99, seed=seed).p_value)
    found = np.sort(values)
    # The Kolmogorov-Smirnov distance of 300 uniform draws is above 0.112 one time in 1000; the grid of p adds 0.01.
    assert np.abs(found - (np.arange(300) + 0.5) / 300).max() <= 0.125
    assert np.mean(found <= 0.05) <= 0.1


def test_p_is_small_under_a_shift_and_never_0() -> None:
    for seed in range(10):
        assert permutation_test(features(60, seed=seed), features(40, 1.0, seed=100 + seed), BANDWIDTHS).p_value == 1 / 1000


def test_p_is_the_same_for_a_seed() -> None:
    target, part = features(20), features(15, 0.2, seed=1)
    first = permutation_test(target, part, BANDWIDTHS, seed=1)
    assert permutation_test(target, part, BANDWIDTHS, seed=1) == first
    assert len({permutation_test(target, part, BANDWIDTHS, seed=seed).p_value for seed in range(5)}) > 1


def test_equal_statistics_count_as_reached() -> None:
    rows = np.repeat(features(1), 12, axis=0)
    assert permutation_test(rows[:5], rows[5:], BANDWIDTHS).p_value == 1.0


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(NumericalError, match="at least 2 rows on each side and 1 permutation, found M=5, N=1 and 999"):
        permutation_test(features(5), features(1), BANDWIDTHS)
    with pytest.raises(NumericalError, match="found M=5, N=5 and 0"):
        permutation_test(features(5), features(5), BANDWIDTHS, n_permutations=0)
    with pytest.raises(ShapeError, match="3 columns, as T has, found 2"):
        permutation_test(features(5), features(5, width=2), BANDWIDTHS)
    with pytest.raises(NumericalError, match="positive, finite bandwidths"):
        permutation_test(features(5), features(5), ())
