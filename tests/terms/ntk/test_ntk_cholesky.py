"""Blocked Cholesky: equal to the dense term for any block size and source of blocks, within the memory it states."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ntk_reference import random_problem
from scipy import linalg

from mixval.errors import CapacityError, NumericalError, ShapeError
from mixval.terms.ntk.cholesky import KernelBlocks, blocked_quadratic_form, factorised, kernel_shift, opened_kernel, peak_bytes
from mixval.terms.ntk.quadratic import quadratic_form


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 40),
    rank=st.integers(1, 50),
    block_size=st.integers(1, 50),
    seed=st.integers(0, 99),
    mode=st.sampled_from(["relative", "absolute"]),
)
def test_equals_the_dense_term(n: int, rank: int, block_size: int, seed: int, mode: str) -> None:
    theta, r = random_problem(n, rank, seed)
    expected = quadratic_form(theta, r, 1e-2, mode)
    found = blocked_quadratic_form(theta, r, 1e-2, mode, block_size=block_size)
    # Two stable factorisations differ by rounding times the condition, which is below 1e5 here.
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    assert found.term == pytest.approx(expected.term, rel=1e-9)
    assert found.damping == pytest.approx(expected.damping, rel=1e-14)
    assert found.condition == pytest.approx(expected.condition, rel=1e-6)
    assert (found.n, found.jitter, found.n_blocks) == (n, 0.0, 1)
    assert found.residual_norm < 1e-10


def test_the_order_of_rows_does_not_matter() -> None:
    theta, r = random_problem(37, 50)
    order = np.random.default_rng(3).permutation(37)
    value = blocked_quadratic_form(theta, r, 1e-2, block_size=8).value
    assert blocked_quadratic_form(theta[np.ix_(order, order)], r[order], 1e-2, block_size=8).value == pytest.approx(
        value, rel=1e-11
    )


def test_every_source_of_blocks_gives_the_same_bits(tmp_path: Path) -> None:
    theta = random_problem(23, 30)[0].astype(np.float32)
    r = random_problem(23, 30)[1]
    file = np.memmap(tmp_path / "theta", dtype=np.float32, mode="w+", shape=theta.shape)
    file[:] = theta
    sources = [theta, theta.astype(np.float64), file, torch.from_numpy(theta), lambda a, b: theta[a, b]]
    sources.append(lambda a, b: torch.from_numpy(theta)[a, b])
    assert len({blocked_quadratic_form(source, r, 1e-2, block_size=7).value for source in sources}) == 1


def test_only_the_lower_half_is_read_and_nothing_is_written() -> None:
    theta, r = random_problem(20, 30)
    value = blocked_quadratic_form(theta, r, 1e-2, block_size=6).value
    theta.flags.writeable = False

    def lower(rows: slice, cols: slice) -> np.ndarray:
        assert cols.start <= rows.start
        return theta[rows, cols]

    assert blocked_quadratic_form(lower, r, 1e-2, block_size=6).value == value


def test_the_factor_is_cholesky_and_serves_every_prefix() -> None:
    theta, r = random_problem(30, 40)
    kernel, _ = opened_kernel(theta, r, 7)
    factor = factorised(kernel, kernel_shift(kernel, 0.5, "absolute"))
    np.testing.assert_allclose(np.tril(factor.lower), linalg.cholesky(theta + 0.5 * np.eye(30), lower=True), atol=1e-12)
    half = factor.half_solution(r)
    for n in (1, 7, 12, 30):
        assert half[:n] @ half[:n] == pytest.approx(quadratic_form(theta[:n, :n], r[:n], 0.5, "absolute").value, rel=1e-11)


def test_blocks_of_the_kernel_multiply_and_cut() -> None:
    theta, r = random_problem(19, 5)
    kernel = KernelBlocks(theta, 19, 4)
    np.testing.assert_allclose(kernel.product(r), theta @ r, rtol=1e-11)
    np.testing.assert_array_equal(KernelBlocks(lambda a, b: theta[a, b], 19, 4).diagonal(), np.diagonal(theta))
    np.testing.assert_allclose(kernel.prefix(9).product(r[:9]), theta[:9, :9] @ r[:9], rtol=1e-11)


@pytest.mark.parametrize(("n", "block_size"), [(600, 64), (600, 128), (500, 250), (300, 1024)])
def test_memory_stays_within_what_is_stated(n: int, block_size: int) -> None:
    theta = np.eye(n, dtype=np.float32) + np.float32(0.01)
    blocked_quadratic_form(theta, np.ones(n), 1e-3, block_size=block_size)  # what is imported on the way counts once
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    blocked_quadratic_form(theta, np.ones(n), 1e-3, block_size=block_size)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    # What other threads of the test runner hold counts too: a quarter of a MiB, less than one block of the larger sizes.
    assert 8 * n**2 < peak <= peak_bytes(n, block_size) + 2**18


def test_a_budget_that_is_too_small_is_refused_before_the_work() -> None:
    theta, r = random_problem(10, 20)
    needed = peak_bytes(10)
    assert blocked_quadratic_form(theta, r, 1e-2, memory_bytes=needed).n == 10
    with pytest.raises(CapacityError, match=rf"over 10 rows needs {needed} bytes, expected at most {needed - 1}\. .*conjugate"):
        blocked_quadratic_form(theta, r, 1e-2, memory_bytes=needed - 1)


@pytest.mark.parametrize("block_size", [1, 2, 8])
def test_a_failed_factor_gets_the_same_jitter_as_the_dense_one(block_size: int) -> None:
    theta, r = np.diag([1.0, 1.0, -1.5e-10, 1.0]), np.ones(4)
    found = blocked_quadratic_form(theta, r, 1e-10, "absolute", block_size=block_size)
    expected = quadratic_form(theta, r, 1e-10, "absolute")
    assert 0 < found.jitter == pytest.approx(expected.jitter)
    assert found.value == pytest.approx(expected.value, rel=1e-5)  # 1 / (lambda + jitter - 1.5e-10): six digits cancel


def test_a_row_without_gradient_and_a_zero_residual() -> None:
    assert blocked_quadratic_form(np.diag([4.0, 0.0]), np.array([0.0, 1.0]), 0.5, "absolute").value == pytest.approx(2.0)
    found = blocked_quadratic_form(np.eye(3), np.zeros(3), 0.5)
    assert (found.value, found.term, found.residual_norm) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("theta", "r", "damping", "said"),
    [
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), np.ones(2), 1e-2, r"Theta\[0:2, 0:2\]: 2 of 4 numbers"),
        (np.array([[1.0, -np.inf], [np.inf, 1.0]]), np.ones(2), 1e-2, r"Theta\[0:2, 0:2\]: 2 of 4 numbers"),
        (np.eye(2), np.array([np.inf, 1.0]), 1e-2, "residual r: 1 of 2 numbers"),
        (np.zeros((3, 3)), np.ones(3), 1e-2, "every one of 3 gradients is zero"),
        (np.diag([1.0, 1.0, -0.9]), np.ones(3), 1e-2, "over 3 rows is not positive definite.*begins at row 2. Raise"),
        (np.eye(2), np.ones(2), 0.0, "positive, finite damping"),
        (np.zeros((0, 0)), np.ones(0), 1e-2, "at least one row"),
    ],
)
def test_broken_numbers_are_named(theta: np.ndarray, r: np.ndarray, damping: float, said: str) -> None:
    with pytest.raises(NumericalError, match=said):
        blocked_quadratic_form(theta, r, damping, block_size=2)


def test_shapes_must_fit() -> None:
    with pytest.raises(ShapeError, match="square Theta over 3 residuals"):
        blocked_quadratic_form(np.eye(2), np.ones(3), 1e-2)
    with pytest.raises(ShapeError, match=r"Theta\[2:3, 0:2\]: expected a block of shape \(1, 2\), found \(2, 2\)"):
        blocked_quadratic_form(lambda a, b: np.eye(3)[a, b] if a == b else np.ones((2, 2)), np.ones(3), 1e-2, block_size=2)
    with pytest.raises(NumericalError, match="block_size 0"):
        blocked_quadratic_form(np.eye(2), np.ones(2), 1e-2, block_size=0)
