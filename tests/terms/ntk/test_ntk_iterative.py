"""Conjugate gradients: the interval always holds the dense value, whatever the preconditioner, and refuses what breaks it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ntk_reference import random_problem

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.iterative import iterated_quadratic_form
from mixval.terms.ntk.quadratic import quadratic_form


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    width=st.integers(1, 50),
    rank=st.integers(0, 45),
    decay=st.sampled_from([0.0, 1.0, 3.0]),
    damping=st.sampled_from([1e-4, 1e-2, 1.0]),
    tolerance=st.sampled_from([0.3, 1e-3, 1e-8]),
    choice=st.sampled_from(["greedy", "weighted", "uniform"]),
    seed=st.integers(0, 99),
)
def test_the_interval_holds_the_dense_value(
    n: int, width: int, rank: int, decay: float, damping: float, tolerance: float, choice: str, seed: int
) -> None:
    theta, r = random_problem(n, width, seed, decay)
    exact = quadratic_form(theta, r, damping)
    found = iterated_quadratic_form(theta, r, damping, rank=rank, tolerance=tolerance, choice=choice, seed=seed, block_size=16)
    slack = 1e-9  # rounding times the condition, up to 4e5 here
    assert found.lower <= exact.value * (1 + slack)
    assert exact.value <= found.upper * (1 + slack)
    assert abs(found.value - exact.value) <= found.error + slack * exact.value
    assert abs(found.term - exact.term) <= found.term_error + slack * exact.term
    assert found.error <= tolerance * found.value
    assert (found.n, found.damping) == (n, pytest.approx(exact.damping))
    assert found.rank <= min(n, rank)


def test_residual_norm_is_that_of_the_solution() -> None:
    theta, r = random_problem(60, 80)
    rough, fine = (iterated_quadratic_form(theta, r, 1e-2, rank=5, tolerance=t) for t in (1e-1, 1e-10))
    assert rough.residual_norm > 1e-2
    assert fine.residual_norm < 1e-4
    assert rough.iterations < fine.iterations


def test_a_preconditioner_saves_most_iterations_of_a_decaying_kernel() -> None:
    theta, r = random_problem(300, 300, decay=1.5)
    plain, ranked = (iterated_quadratic_form(theta, r, 1e-4, rank=rank, tolerance=1e-6) for rank in (0, 60))
    assert (plain.rank, ranked.rank) == (0, 60)
    assert ranked.iterations * 3 < plain.iterations
    assert ranked.value == pytest.approx(plain.value, rel=3e-6)


def test_a_preconditioner_that_spans_the_kernel_needs_one_product() -> None:
    theta, r = random_problem(50, 7)
    found = iterated_quadratic_form(theta, r, 1e-3, rank=7)
    assert (found.rank, found.iterations) == (7, 1)
    assert found.value == pytest.approx(quadratic_form(theta, r, 1e-3).value, rel=1e-6)


@pytest.mark.parametrize("block_size", [1, 7, 33, 100])
def test_blocks_and_sources_do_not_matter(block_size: int) -> None:
    theta, r = random_problem(33, 40, decay=1.0)
    value = iterated_quadratic_form(theta, r, 1e-2, rank=4, tolerance=1e-9).value
    for source in (theta, torch.from_numpy(theta), lambda a, b: theta[a, b]):
        found = iterated_quadratic_form(source, r, 1e-2, rank=4, tolerance=1e-9, block_size=block_size)
        assert found.value == pytest.approx(value, rel=3e-9)


def test_the_order_of_rows_does_not_matter() -> None:
    theta, r = random_problem(33, 40, decay=1.0)
    order = np.random.default_rng(3).permutation(33)
    one = iterated_quadratic_form(theta, r, 1e-2, rank=4, tolerance=1e-9)
    other = iterated_quadratic_form(theta[np.ix_(order, order)], r[order], 1e-2, rank=4, tolerance=1e-9)
    assert other.value == pytest.approx(one.value, rel=3e-9)


def test_a_zero_residual_and_a_zero_kernel() -> None:
    found = iterated_quadratic_form(random_problem(5, 3)[0], np.zeros(5), 1e-2, rank=2)
    assert (found.term, found.error, found.iterations, found.residual_norm) == (0.0, 0.0, 0, 0.0)
    assert iterated_quadratic_form(np.zeros((3, 3)), np.ones(3), 0.5, "absolute").value == pytest.approx(6.0)


def test_a_float32_kernel_needs_its_rounding_stated() -> None:
    theta, r = random_problem(200, 5)
    theta = theta.astype(np.float32)
    least = float(np.linalg.eigvalsh(theta.astype(np.float64))[0])
    damping = -2 * least  # rounding takes half of lambda away
    with pytest.raises(NumericalError, match=r"not positive semidefinite: the preconditioned matrix.*state its `rounding`"):
        iterated_quadratic_form(theta, r, damping, "absolute", rank=0, tolerance=1e-8)
    found = iterated_quadratic_form(theta, r, damping, "absolute", rank=5, tolerance=1e-8, rounding=-1.1 * least)
    exact = quadratic_form(theta, r, damping, "absolute").value
    assert found.lower <= exact * (1 + 1e-10)
    assert exact <= found.upper * (1 + 1e-10)


def test_a_kernel_that_changes_between_readings_is_refused() -> None:
    theta, r = random_problem(40, 60)
    readings = iter(range(10**6))

    def changing(rows: slice, cols: slice) -> np.ndarray:
        return theta[rows, cols] * (1 + 1e-3 * math.sin(next(readings)))

    with pytest.raises(NumericalError, match="must be the same numbers each time it is read"):
        iterated_quadratic_form(changing, r, 1.0, "absolute", rank=0, tolerance=1e-9)


def test_too_few_iterations_are_refused_with_what_is_known() -> None:
    theta, r = random_problem(100, 120)
    said = r"rank 3 left the value between \d.* and \d.* after 2 iterations, expected within 1e-06 of it. Raise the rank"
    with pytest.raises(NumericalError, match=said):
        iterated_quadratic_form(theta, r, 1e-3, rank=3, max_iterations=2)


def test_refusals() -> None:
    with pytest.raises(NumericalError, match="tolerance from 1e-10 to below 1, found 0"):
        iterated_quadratic_form(np.eye(2), np.ones(2), 1e-2, tolerance=0.0)
    with pytest.raises(NumericalError, match="rank of at least 0, found -1"):
        iterated_quadratic_form(np.eye(2), np.ones(2), 1e-2, rank=-1)
    with pytest.raises(NumericalError, match=r"an eigenvalue below 0\.999999, expected none"):
        iterated_quadratic_form(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1.0, -1.0]), 1e-2, rank=0)
    with pytest.raises(NumericalError, match=r"Theta\[0:2, 0:2\]: 2 of 4 numbers"):
        iterated_quadratic_form(np.array([[1.0, np.inf], [np.inf, 1.0]]), np.ones(2), 1e-2, rank=0)
    with pytest.raises(ShapeError, match="square Theta over 3 residuals"):
        iterated_quadratic_form(np.eye(2), np.ones(3), 1e-2)
