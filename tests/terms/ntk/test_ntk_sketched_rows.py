"""The sketched term from rows against the one from sums over them, and where an inexact solution shows."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.terms.ntk.sketched import sketched_form
from mixval.terms.ntk.sketched_rows import sketched_form_of_rows
from mixval.terms.ntk.statistics import GradientStatistics

NUMBERS = ("value", "term", "damping", "effective_rank", "extrapolated", "extrapolated_error")


def rows(n: int, q: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, q) of 60 falling directions and noise, and residuals (n,)."""
    generator = np.random.default_rng(seed)
    falling = generator.normal(size=(n, 60)) * np.arange(1, 61) ** -0.7
    features = falling @ generator.normal(size=(60, q)) + 0.05 * generator.normal(size=(n, q))
    return features / np.sqrt(q), generator.normal(size=n)


def assert_same(phi: np.ndarray, r: np.ndarray, damping: float, mode: str = "relative") -> None:
    """Equal to 1e-10; `error` but for its share of rounding, which the two forms meet in different places."""
    found = asdict(sketched_form_of_rows(phi, r, damping, mode))
    wanted = asdict(sketched_form(GradientStatistics.of(phi, r), damping, mode))
    for name in NUMBERS:
        assert found[name] == (wanted[name] if wanted[name] is None else pytest.approx(wanted[name], rel=1e-10)), name
    assert (found["n"], found["q"], found["jitter"]) == (wanted["n"], wanted["q"], 0.0)
    rounding = wanted["term"] * (found["cancellation"] + wanted["cancellation"])
    assert abs(found["error"] - wanted["error"]) <= rounding + 1e-10 * wanted["error"]
    assert found["residual_norm"] < 1e-10
    assert found["cancellation"] < 1e-8


@pytest.mark.parametrize(
    ("n", "q", "damping"),
    [(40, 256, 1e-2), (100, 128, 1e-2), (128, 128, 1e-1), (300, 128, 1e-2), (1, 8, 0.1), (60, 512, 1e-4), (100, 1024, 1e-3)],
)
def test_rows_give_what_sums_over_them_give(n: int, q: int, damping: float) -> None:
    phi, r = rows(n, q)
    assert_same(phi, r, damping)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 14),
    half=st.integers(1, 9),
    seed=st.integers(0, 99),
    mode=st.sampled_from(["relative", "absolute"]),
    damping=st.sampled_from([1e-2, 1.0]),
)
def test_any_number_of_rows_and_features(n: int, half: int, seed: int, mode: str, damping: float) -> None:
    generator = np.random.default_rng(seed)
    assert_same(generator.normal(size=(n, 2 * half)), generator.normal(size=n), damping, mode)


def test_condition_is_that_of_the_damped_kernel() -> None:
    phi, r = rows(20, 64)
    found = sketched_form_of_rows(phi, r, 1e-2)
    wanted = quadratic_form(phi @ phi.T, r, 1e-2)
    assert found.condition == pytest.approx(wanted.condition, rel=1e-8)
    assert found.term == pytest.approx(wanted.term, rel=1e-12)


def test_float32_tensors_are_summed_in_float64() -> None:
    phi, r = rows(30, 64)
    short = torch.from_numpy(phi).float()
    found = sketched_form_of_rows(short, torch.from_numpy(r), 1e-3)
    # Sums in float32 would be off by 1e-7.
    assert found.term == pytest.approx(sketched_form_of_rows(short.double().numpy(), r, 1e-3).term, rel=1e-11)


def test_a_row_of_another_order_changes_nothing() -> None:
    phi, r = rows(30, 64)
    order = np.random.default_rng(1).permutation(30)
    found = [sketched_form_of_rows(phi[own], r[own], 1e-2) for own in (np.arange(30), order)]
    assert found[0].error == pytest.approx(found[1].error, rel=1e-9)


@pytest.mark.parametrize("damping", [1e-2, 1e-6, 1e-10, 1e-13])
def test_digits_lost_to_rounding_are_stated(damping: float) -> None:
    generator = np.random.default_rng(3)
    left, _, right = np.linalg.svd(generator.normal(size=(40, 12)), full_matrices=True)
    singular = np.logspace(0, -2, 12)
    phi = (left[:, :12] * singular) @ right
    for beside in (0.0, 1.0):
        r = phi @ generator.normal(size=12) + beside * left[:, 20]
        found = sketched_form_of_rows(phi, r, damping, "absolute")
        truth = float(((left.T @ r) ** 2)[:12] @ (1 / (singular**2 + damping)) + beside / damping)
        assert abs(found.value / truth - 1) <= 10 * found.cancellation + 1e-13
        assert found.error >= found.term * found.cancellation / 2


def test_jitter_enters_squared() -> None:
    """A repeated row and a kernel whose rounding makes it indefinite beside lambda."""
    phi, r = np.ones((5, 4)), np.ones(5)
    found = sketched_form_of_rows(phi, r, 1e-16, "absolute")
    assert found.jitter > 1e3 * found.damping
    assert found.value == pytest.approx(5 / 20, rel=1e-9)


@pytest.mark.parametrize(
    ("phi", "r", "damping", "error", "said"),
    [
        (np.zeros((0, 4)), np.zeros(0), 1e-2, NumericalError, "at least one row"),
        (np.ones((5, 3)), np.ones(5), 1e-2, ShapeError, "found q = 3. Take a power of two"),
        (np.ones((5, 4)), np.ones(4), 1e-2, ShapeError, r"found \(5, 4\) and \(4,\)"),
        (np.ones((5, 4)), np.ones(5), 0.0, NumericalError, "positive, finite damping"),
        (np.zeros((5, 4)), np.ones(5), 1e-2, NumericalError, "every one of 5 gradients is zero"),
        (np.full((5, 4), np.nan), np.ones(5), 1e-2, NumericalError, "features Phi: 20 of 20"),
        (np.ones((2, 4)), np.array([1.0, -1.0]), 1e-18, NumericalError, "rounding leaves no digit"),
    ],
)
def test_what_has_no_term_is_refused(phi: np.ndarray, r: np.ndarray, damping: float, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        sketched_form_of_rows(phi, r, damping)
