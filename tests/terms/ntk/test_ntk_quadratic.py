"""The NTK term against a plain solve, its switches, its edges, and its moves as rows leave."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.quadratic import ntk_moves, quadratic_form
from mixval.terms.ntk.residual import residual


def problem(n: int, rank: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    gradients = generator.normal(size=(n, rank))
    return gradients @ gradients.T, generator.normal(size=n)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 12), rank=st.integers(1, 15), seed=st.integers(0, 99), mode=st.sampled_from(["relative", "absolute"]))
def test_equals_a_plain_solve(n: int, rank: int, seed: int, mode: str) -> None:
    theta, r = problem(n, rank, seed)
    found = quadratic_form(theta, r, 1e-2, mode)
    shift = 1e-2 * (np.trace(theta) / n if mode == "relative" else 1.0)
    value = float(r @ np.linalg.solve(theta + shift * np.eye(n), r))
    assert found.value == pytest.approx(value, rel=1e-9)
    assert found.term == pytest.approx(math.sqrt(value / n), rel=1e-9)
    assert (found.n, found.jitter, found.n_blocks) == (n, 0.0, 1)
    assert found.damping == pytest.approx(shift)
    assert found.residual_norm < 1e-11


def test_blocks_are_consecutive_and_share_one_damping() -> None:
    theta, r = problem(7, 9)
    shift = 1e-2 * np.trace(theta) / 7
    value = 0.0
    for block in (slice(0, 2), slice(2, 5), slice(5, 7)):
        own = theta[block, block]
        value += float(r[block] @ np.linalg.solve(own + shift * np.eye(len(own)), r[block]))
    found = quadratic_form(theta, r, 1e-2, n_blocks=3)
    assert (found.value, found.n_blocks) == (pytest.approx(value, rel=1e-12), 3)


def test_more_blocks_than_rows_leave_the_diagonal() -> None:
    theta, r = problem(5, 9)
    found = quadratic_form(theta, r, 0.5, "absolute", n_blocks=100)
    assert found.n_blocks == 5
    assert found.value == pytest.approx(float((r**2 / (np.diagonal(theta) + 0.5)).sum()), rel=1e-12)


def test_condition_is_that_of_the_damped_matrix() -> None:
    theta = np.diag([1.0, 10.0, 99.0])
    assert quadratic_form(theta, np.ones(3), 1.0, "absolute").condition == pytest.approx(50.0)


def test_duplicate_rows_need_no_jitter_but_a_failed_factor_gets_it() -> None:
    theta, r = problem(6, 3)
    twice = np.ix_([0, 1, 2, 3, 4, 5, 5], [0, 1, 2, 3, 4, 5, 5])
    assert quadratic_form(theta[twice], r[[0, 1, 2, 3, 4, 5, 5]], 1e-6).jitter == 0.0
    # Rounding of float32 Grams can leave an eigenvalue slightly below -lambda: 1e-9 of the diagonal is enough here.
    found = quadratic_form(np.diag([1.0, 1.0, -1.5e-10]), np.ones(3), 1e-10, "absolute")
    assert 0 < found.jitter <= 1e-9
    assert found.residual_norm < 1e-6


def test_zero_residual_and_single_row() -> None:
    theta, _ = problem(4, 9)
    assert quadratic_form(theta, np.zeros(4), 1e-2).term == 0.0
    assert quadratic_form(np.array([[3.0]]), np.array([2.0]), 1.0, "absolute").term == pytest.approx(1.0)


def test_a_row_without_gradient_costs_its_residual_over_lambda() -> None:
    theta = np.diag([4.0, 0.0])
    assert quadratic_form(theta, np.array([0.0, 1.0]), 0.5, "absolute").value == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("theta", "r", "damping", "said"),
    [
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), np.ones(2), 1e-2, "Theta: 2 of 4 numbers"),
        (np.eye(2), np.array([np.inf, 1.0]), 1e-2, "residual r: 1 of 2 numbers"),
        (np.zeros((3, 3)), np.ones(3), 1e-2, "every one of 3 gradients is zero"),
        (np.diag([1.0, -1.0 + 1e-1]), np.ones(2), 1e-2, "least eigenvalue is -0.89"),
        (np.eye(2), np.ones(2), 0.0, "positive, finite damping"),
        (np.zeros((0, 0)), np.ones(0), 1e-2, "at least one row"),
    ],
)
def test_broken_numbers_are_named(theta: np.ndarray, r: np.ndarray, damping: float, said: str) -> None:
    with pytest.raises(NumericalError, match=said):
        quadratic_form(theta, r, damping)


def test_shapes_must_fit() -> None:
    with pytest.raises(ShapeError, match="square Theta over 3 residuals"):
        quadratic_form(np.eye(2), np.ones(3), 1e-2)


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_moves_are_those_of_the_term_without_a_row_eased(n_blocks: int) -> None:
    theta, r = problem(9, 20)
    form = quadratic_form(theta, r, 1e-2, n_blocks=n_blocks)
    found = ntk_moves(torch.from_numpy(theta), torch.from_numpy(r), 1e-2, "relative", n_blocks)
    edges = np.linspace(0, 9, n_blocks + 1).round().astype(int)
    inverses = [np.linalg.inv(theta[a:b, a:b] + form.damping * np.eye(b - a)).diagonal() for a, b in itertools.pairwise(edges)]
    free = form.damping * np.concatenate(inverses)
    for i in range(9):
        kept = np.delete(np.arange(9), i)
        blocks = [kept[(kept >= a) & (kept < b)] for a, b in itertools.pairwise(edges)]
        value = sum(quadratic_form(theta[np.ix_(k, k)], r[k], form.damping, "absolute").value for k in blocks)
        assert found[i] == pytest.approx((form.term - np.sqrt(value / 8)) * np.sqrt((1 + free[i]) / 2), rel=1e-9)


def test_residuals() -> None:
    f, p = np.array([0.25, 3.0]), np.array([0.5, 1.0])
    assert residual(f, p, "one-minus-output").tolist() == [0.75, -2.0]
    assert residual(f, p, "one-minus-probability").tolist() == [0.5, 0.0]
    with pytest.raises(NumericalError, match="1 of 2 probabilities"):
        residual(f, np.array([0.5, -0.1]), "one-minus-output")
    with pytest.raises(ShapeError, match="2 outputs and 1"):
        residual(f, p[:1], "one-minus-output")
