"""The wide head's kernel in closed form: against gradients of wide networks, by hand at three angles, and what it refuses."""

import math

import numpy as np
import pytest
import torch

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.wide_head import BLOCK_ROWS, WideHead, wide_head


def test_it_is_the_kernel_of_a_wide_network() -> None:
    """Gradients by both layers and the output bias, of width 200,000, whose products are known to about a percent."""
    random = torch.Generator().manual_seed(0)
    x, width = torch.randn(6, 3, generator=random, dtype=torch.float64), 200_000
    inner = torch.randn(width, 3, generator=random, dtype=torch.float64, requires_grad=True)
    outer = torch.randn(width, generator=random, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    rows = []
    for row in x:
        output = math.sqrt(2 / width) * outer @ torch.relu(inner @ row) + bias
        rows.append(torch.cat([g.reshape(-1) for g in torch.autograd.grad(output, (inner, outer, bias))]).numpy())
    gradients = np.array(rows)
    np.testing.assert_allclose(WideHead(np.zeros(3), 1.0).kernel(x, x), gradients @ gradients.T, rtol=0.02)


def test_it_is_known_by_hand_along_across_and_against() -> None:
    theta = WideHead(np.array([1.0, 0.0]), 2.0).kernel(np.array([[5.0, 0.0]]), np.array([[3.0, 0.0], [1.0, 4.0], [-3.0, 0.0]]))
    # Moved and scaled: lengths 2 beside 1, 2 and 2.
    np.testing.assert_allclose(theta, [[2 * 2 + 1, 4 / math.pi + 1, 1]], atol=1e-12)
    np.testing.assert_array_equal(WideHead(np.zeros(2), 1.0).kernel(np.zeros((1, 2)), np.ones((1, 2))), [[1]])


def test_blocks_of_rows_change_nothing_and_t_sets_the_scale() -> None:
    target = np.random.default_rng(0).normal(3.0, 2.0, (50, 4))
    head = wide_head(target)
    assert np.sqrt((((target - head.mean) / head.scale) ** 2).sum(1).mean()) == pytest.approx(1)
    many = np.random.default_rng(1).normal(3.0, 2.0, (BLOCK_ROWS + 3, 4))
    # Products of blocks and of single rows are summed in another order.
    np.testing.assert_allclose(head.kernel(many, target)[-5:], head.kernel(many[-5:], target), rtol=1e-10)
    np.testing.assert_allclose(wide_head(7 * target).kernel(7 * many[:5], 7 * many[:5]), head.kernel(many[:5], many[:5]))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(NumericalError, match="expected rows that differ, found 4 alike"):
        wide_head(np.ones((4, 3)))
    with pytest.raises(ShapeError, match="expected 3 as T has, found 2"):
        wide_head(np.eye(3)).kernel(np.ones((1, 2)), np.ones((1, 3)))
    with pytest.raises(NumericalError, match="NaN or infinite"):
        wide_head(np.eye(3)).kernel(np.full((1, 3), np.nan), np.ones((1, 3)))
