"""Nystroem: its two bounds hold for every kernel and choice of landmarks, and close when the landmarks span it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ntk_reference import random_problem

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.cholesky import KernelBlocks
from mixval.terms.ntk.nystroem import low_rank, nystroem_quadratic_form
from mixval.terms.ntk.quadratic import quadratic_form

CHOICES = ["greedy", "weighted", "uniform"]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    rank=st.integers(1, 50),
    n_landmarks=st.integers(1, 45),
    decay=st.sampled_from([0.0, 1.0, 3.0]),
    damping=st.sampled_from([1e-6, 1e-3, 1.0]),
    choice=st.sampled_from(CHOICES),
    seed=st.integers(0, 99),
)
def test_both_bounds_always_hold(
    n: int, rank: int, n_landmarks: int, decay: float, damping: float, choice: str, seed: int
) -> None:
    theta, r = random_problem(n, rank, seed, decay)
    exact = quadratic_form(theta, r, damping)
    found = nystroem_quadratic_form(theta, r, damping, n_landmarks=n_landmarks, choice=choice, seed=seed)
    slack = 1e-7  # rounding times the condition, up to 4e7 here
    assert found.lower <= exact.value * (1 + slack)
    assert exact.value <= found.upper * (1 + slack)
    assert found.term_lower <= exact.term * (1 + slack)
    assert exact.term <= found.term * (1 + slack)
    assert found.value == found.upper
    assert 0 <= found.trace_left <= found.trace * (1 + 1e-12)
    assert found.trace == pytest.approx(np.trace(theta))
    assert found.n_landmarks <= min(n, n_landmarks)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 30), m=st.integers(1, 30), choice=st.sampled_from(CHOICES), seed=st.integers(0, 99))
def test_equals_the_formula_of_nystroem(n: int, m: int, choice: str, seed: int) -> None:
    theta, _ = random_problem(n, n + 5, seed)
    low = low_rank(KernelBlocks(theta, n, 8), m, choice, seed)
    part = theta[:, low.landmarks]
    expected = part @ np.linalg.solve(part[low.landmarks], part.T)
    assert len(set(low.landmarks.tolist())) == min(n, m)
    np.testing.assert_allclose((low.basis * low.eigenvalues) @ low.basis.T, expected, atol=1e-9 * np.trace(theta))
    assert low.trace_left == pytest.approx(np.trace(theta - expected), abs=1e-9 * np.trace(theta))
    # What is left is positive semidefinite, and no eigenvalue of it exceeds its trace.
    eigenvalues = np.linalg.eigvalsh(theta - expected)
    assert eigenvalues[0] > -1e-9 * np.trace(theta)
    assert eigenvalues[-1] <= low.trace_left + 1e-9 * np.trace(theta)


def test_woodbury_equals_a_plain_solve() -> None:
    theta, r = random_problem(25, 30)
    low = low_rank(KernelBlocks(theta, 25), 7)
    dense = (low.basis * low.eigenvalues) @ low.basis.T + 0.3 * np.eye(25)
    np.testing.assert_allclose(low.inverse_product(r, 0.3), np.linalg.solve(dense, r), rtol=1e-9)
    assert low.value(r, 0.3) == pytest.approx(float(r @ np.linalg.solve(dense, r)), rel=1e-11)


@pytest.mark.parametrize("choice", CHOICES)
def test_landmarks_that_span_the_kernel_give_the_exact_term(choice: str) -> None:
    theta, r = random_problem(40, 6)
    found = nystroem_quadratic_form(theta, r, 1e-3, n_landmarks=30, choice=choice)
    exact = quadratic_form(theta, r, 1e-3)
    assert found.n_landmarks == 6  # the seventh pivot is rounding
    assert found.lower == pytest.approx(exact.value, rel=1e-9)
    assert found.upper == pytest.approx(exact.value, rel=1e-9)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(("n", "rank", "seed"), [(31, 30, 30), (40, 39, 0), (23, 22, 7)])
def test_nearly_dependent_landmarks_do_not_make_a_kernel_indefinite(n: int, rank: int, seed: int, choice: str) -> None:
    # Drawn uniformly, the first leaves -4.5e-11 of a diagonal of about 60: landmarks are nearly dependent, so rounding grows.
    theta, r = random_problem(n, rank, seed)
    exact = quadratic_form(theta, r, 1e-4)
    found = nystroem_quadratic_form(theta, r, 1e-4, n_landmarks=rank, choice=choice, seed=seed)
    assert found.n_landmarks == rank
    assert found.lower == pytest.approx(exact.value, rel=1e-7)
    assert found.upper == pytest.approx(exact.value, rel=1e-7)


def test_bounds_close_with_more_landmarks() -> None:
    theta, r = random_problem(120, 150, decay=1.5)
    forms = [nystroem_quadratic_form(theta, r, 1e-2, n_landmarks=m) for m in (5, 20, 80, 120)]
    widths = [form.upper - form.lower for form in forms]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 1e-9 * forms[-1].upper


def test_greedy_takes_the_rows_that_stand_out() -> None:
    gradients = np.diag([1.0, 9.0, 2.0, 5.0, 3.0])
    low = low_rank(KernelBlocks(gradients @ gradients.T, 5), 3)
    assert low.landmarks.tolist() == [1, 3, 4]
    assert low.trace_left == pytest.approx(1.0 + 4.0)


@pytest.mark.parametrize("choice", CHOICES)
def test_no_choice_takes_a_row_twice_or_one_that_is_spanned(choice: str) -> None:
    theta, _ = random_problem(10, 12)
    copies = np.repeat(np.arange(10), 9)
    low = low_rank(KernelBlocks(theta[np.ix_(copies, copies)], 90), 40, choice, seed=4)
    assert sorted(copies[low.landmarks].tolist()) == list(range(10))
    assert low.trace_left < 1e-10 * low.trace


def test_the_same_seed_takes_the_same_landmarks_from_every_source() -> None:
    theta, _ = random_problem(50, 60)
    drawn = [low_rank(KernelBlocks(theta, 50), 9, "weighted", seed).landmarks.tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    provided = low_rank(KernelBlocks(lambda a, b: theta[a, b], 50, 7), 9, "weighted", 1)
    assert provided.landmarks.tolist() == drawn[0]


def test_stated_rounding_keeps_the_bounds_for_an_indefinite_kernel() -> None:
    theta, r = random_problem(30, 4)
    noise = np.random.default_rng(5).normal(size=(30, 30)) * 1e-6
    theta = theta + noise + noise.T
    exact = quadratic_form(theta, r, 1e-3, "absolute")
    with pytest.raises(NumericalError, match=r"not positive semidefinite.*state `rounding`, at least"):
        nystroem_quadratic_form(theta, r, 1e-3, "absolute", n_landmarks=30)
    rounding = -2 * float(np.linalg.eigvalsh(theta)[0])
    for m in (2, 10, 30):
        found = nystroem_quadratic_form(theta, r, 1e-3, "absolute", n_landmarks=m, rounding=rounding)
        assert found.lower <= exact.value * (1 + 1e-10)
        assert exact.value <= found.upper * (1 + 1e-10)


@pytest.mark.parametrize("rounding", [-1e-9, 1e-2, float("nan")])
def test_rounding_must_stay_below_lambda(rounding: float) -> None:
    with pytest.raises(NumericalError, match=r"from 0 to below lambda = 0\.01, found"):
        nystroem_quadratic_form(np.eye(3), np.ones(3), 1e-2, n_landmarks=1, rounding=rounding)


def test_edges_and_refusals() -> None:
    assert nystroem_quadratic_form(np.eye(3), np.zeros(3), 1e-2, n_landmarks=2).term == 0.0
    empty = nystroem_quadratic_form(np.zeros((3, 3)), np.ones(3), 0.5, "absolute", n_landmarks=2)
    assert (empty.n_landmarks, empty.lower, empty.upper) == (0, pytest.approx(6.0), pytest.approx(6.0))
    with pytest.raises(NumericalError, match="at least one landmark, found 0"):
        nystroem_quadratic_form(np.eye(3), np.ones(3), 1e-2, n_landmarks=0)
    with pytest.raises(NumericalError, match=r"falls to -0\.5 at row 1"):
        nystroem_quadratic_form(np.diag([1.0, -0.5]), np.ones(2), 1e-2, n_landmarks=1)
    with pytest.raises(NumericalError, match=r"Theta\[0:1, 0:2\]: 1 of 2 numbers"):
        nystroem_quadratic_form(np.array([[2.0, np.nan], [np.nan, 1.0]]), np.ones(2), 1e-2, n_landmarks=1)
    with pytest.raises(ShapeError, match="square Theta over 3 residuals"):
        nystroem_quadratic_form(np.eye(2), np.ones(3), 1e-2, n_landmarks=1)
