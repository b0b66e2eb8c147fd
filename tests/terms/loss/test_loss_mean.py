"""The loss term: means by hand, the spread of means over many draws, row moves, refusals."""

import math

import numpy as np
import pytest
import torch

from mixval.errors import NumericalError, ShapeError
from mixval.terms.loss.mean import estimate_loss, loss_moves


def test_means_by_hand() -> None:
    losses, counts = np.array([2.0, 9.0, 1.0]), np.array([1, 3, 2])
    example = estimate_loss(losses, counts, "example")
    assert example.mean == pytest.approx((2 + 3 + 0.5) / 3)
    assert example.standard_error == pytest.approx(np.std([2, 3, 0.5], ddof=1) / math.sqrt(3))
    token = estimate_loss(torch.tensor(losses), torch.tensor(counts), "token")
    assert token.mean == pytest.approx(12 / 6)
    assert (token.n, token.total, token.total_count) == (3, 12.0, 6.0)


def test_one_token_a_row_makes_both_averages_one() -> None:
    losses = np.array([0.3, 1.2, 2.0, 0.1])
    example, token = (estimate_loss(losses, np.ones(4), average) for average in ("example", "token"))
    assert example.mean == pytest.approx(token.mean)
    assert example.standard_error == pytest.approx(token.standard_error)


@pytest.mark.parametrize("average", ["example", "token"])
def test_standard_error_is_the_spread_over_draws(average: str) -> None:
    generator = np.random.default_rng(0)
    means, errors = [], []
    for _ in range(2000):
        counts = generator.integers(1, 30, size=60)
        # Rows differ in level, so tokens of one row go together: a token's own spread would be far too small.
        losses = counts * generator.gamma(2.0, size=60) + generator.normal(size=60)
        found = estimate_loss(losses, counts, average)
        means.append(found.mean)
        errors.append(found.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.08)


@pytest.mark.parametrize("average", ["example", "token"])
def test_moves_are_what_a_row_adds_and_have_the_standard_error(average: str) -> None:
    generator = np.random.default_rng(1)
    losses, counts = generator.random(400), generator.integers(1, 5, size=400)
    whole, moves = estimate_loss(losses, counts, average), loss_moves(losses, counts, average)
    left = [whole.mean - estimate_loss(np.delete(losses, i), np.delete(counts, i), average).mean for i in range(9)]
    assert moves[:9].tolist() == pytest.approx(left, rel=0.01)
    assert math.sqrt(float((moves**2).sum())) == pytest.approx(whole.standard_error, rel=0.01)


def test_a_single_row_has_no_spread() -> None:
    assert estimate_loss(np.array([4.0]), np.array([2]), "example").standard_error is None


@pytest.mark.parametrize(
    ("losses", "counts", "kind", "said"),
    [
        ([1.0, 2.0], [1.0, 0.0], NumericalError, "1 of 2 rows have no token"),
        ([1.0, math.nan], [1.0, 1.0], NumericalError, "1 of 2 numbers are NaN"),
        ([], [], NumericalError, "at least one row"),
        ([1.0, 2.0], [1.0], ShapeError, "2 losses and 1 counts"),
    ],
)
def test_refusals(losses: list[float], counts: list[float], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        estimate_loss(np.array(losses), np.array(counts), "example")
