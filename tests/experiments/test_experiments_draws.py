"""Draws with a long tail: shares of ranks, the cut, samples that begin alike, classes without rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from mixval.errors import ContractError
from mixval.experiments.draws import drawn_rows, ranked_classes, zipf

LABELS = np.repeat([7, 3, 5, 9], [5, 1, 8, 2])
RANKED = np.array([3, 9, 5, 7])
SHARES = zipf(4, 2.0), zipf(4, 2.0, 2)


def draw(n: int, real: float = 0.25, seed: int = 0) -> np.ndarray:
    return drawn_rows(LABELS, RANKED, SHARES, real, n, seed)


def test_shares_are_zipfs_of_all_ranks_or_of_the_first() -> None:
    np.testing.assert_allclose(SHARES[0], np.array([1, 1 / 4, 1 / 9, 1 / 16]) / (1 + 1 / 4 + 1 / 9 + 1 / 16))
    np.testing.assert_allclose(SHARES[1], [0.8, 0.2, 0.0, 0.0])


def test_classes_are_drawn_with_the_shares_of_the_mixture_and_rows_within_them_alike() -> None:
    positions = draw(40_000)
    wanted = 0.25 * SHARES[0] + 0.75 * SHARES[1]
    found = [np.count_nonzero(LABELS[positions] == label) for label in RANKED]
    assert chisquare(found, 40_000 * wanted).pvalue > 1e-3  # of a fixed seed
    of_sevens = np.bincount(positions, minlength=len(LABELS))[LABELS == 7]
    assert chisquare(of_sevens).pvalue > 1e-3


def test_without_real_rows_nothing_beyond_the_cut_is_drawn() -> None:
    assert set(LABELS[draw(2_000, real=0.0)]) == {3, 9}


def test_a_smaller_sample_is_the_beginning_of_a_larger_one() -> None:
    np.testing.assert_array_equal(draw(50), draw(500)[:50])
    assert (draw(50) != draw(50, seed=1)).any()


def test_the_order_of_classes_is_the_seeds() -> None:
    orders = [ranked_classes(list(range(20)), seed).tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == list(range(20))


def test_a_class_without_a_row_is_refused() -> None:
    with pytest.raises(ContractError, match=r"found none of \[4\]"):
        drawn_rows(LABELS, np.array([3, 4, 5, 7]), SHARES, 0.5, 10, 0)
