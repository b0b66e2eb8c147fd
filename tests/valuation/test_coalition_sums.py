"""Sums over a coalition that changes: equal to those begun anew, and no more certain than they say."""

from __future__ import annotations

import numpy as np
import pytest

from mixval.valuation.coalition_sums import FAINTEST, MOST_CHANGES, CoalitionSums, Statistics

K, Q = 7, 150


def statistics(dtype: type, scales: np.ndarray | None = None) -> Statistics:
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 30, K)
    features = [s * rng.normal(size=(n, Q)) for n, s in zip(sizes, np.ones(K) if scales is None else scales, strict=True)]
    residuals = [rng.normal(size=n) for n in sizes]
    return Statistics(
        sizes,
        np.stack([phi.T @ phi for phi in features]).astype(dtype),
        np.stack([phi.T @ r for phi, r in zip(features, residuals, strict=True)]),
        np.array([r @ r for r in residuals]),
        2 * sizes,
    )


def walk(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [members for members in rng.random((n, K)) < rng.random((n, 1)) if members.any()]


def test_float32_entries_come_and_go_without_rounding() -> None:
    held, total = statistics(np.float32), CoalitionSums(statistics(np.float32))
    for members in walk(100):
        total.become(members)
        np.testing.assert_array_equal(np.tril(total.gram), np.tril(held.gram[members].sum(axis=0, dtype=np.float64)))


def test_the_other_sums_are_those_of_the_members() -> None:
    held, total = statistics(np.float64), CoalitionSums(statistics(np.float64))
    for members in walk(30):
        total.become(members)
        assert (total.n, total.measured) == (held.n[members].sum(), 2 * held.n[members].sum())
        assert total.square == pytest.approx(held.square[members].sum(), rel=1e-13)
        np.testing.assert_allclose(total.cross, held.cross[members].sum(axis=0), rtol=1e-13, atol=1e-13)  # of up to 7 numbers
        np.testing.assert_allclose(total.diagonal, np.diagonal(total.gram), rtol=1e-12)


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_float64_entries_are_as_certain_as_is_said(spread: float) -> None:
    held = statistics(np.float64, 10.0 ** -np.linspace(0, spread, K))
    total = CoalitionSums(held)
    for members in walk(280):
        total.become(members)
        exact = held.gram[members].astype(np.longdouble).sum(axis=0)
        away = np.tril(total.gram - exact.astype(np.float64))
        stated = np.sqrt(np.outer(total.rounding, total.rounding))
        assert np.sqrt(np.mean((away / stated) ** 2)) <= 1
        # Never far from what a sum begun anew has.
        assert (total.rounding <= np.finfo(float).eps * np.sqrt(MOST_CHANGES) * total.diagonal.sum() / FAINTEST).all()


def test_a_faint_rest_is_summed_anew() -> None:
    held = statistics(np.float64, np.array([1e8, 1, 1, 1, 1, 1, 1]))
    total = CoalitionSums(held)
    total.become(np.ones(K, dtype=bool))
    rest = np.arange(K) > 0
    total.become(rest)
    np.testing.assert_allclose(np.tril(total.gram), np.tril(held.gram[rest].sum(axis=0)), rtol=1e-12, atol=1e-12)
