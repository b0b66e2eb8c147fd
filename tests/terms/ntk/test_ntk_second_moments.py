"""Second moments against whole squared gradients, in float64."""

import pytest
import torch
from ntk_reference import dense_gradients, mean_token_logit, own_logit, padded_rows, split, widen
from test_ntk_capture_text import VOCABULARY, qwen2
from test_ntk_capture_vision import Network, images
from torch import nn

from mixval.errors import NumericalError
from mixval.terms.ntk import second_moments as second_moments_file
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.second_moments import second_moments


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return widen(Network())


@pytest.mark.parametrize("block_bytes", [2**26, 1])
@pytest.mark.parametrize("size", [2, 5])
def test_moments_are_means_of_squares(network: nn.Module, size: int, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_moments_file, "BLOCK_BYTES", block_bytes)  # one row of a weight at a time
    names, batch = select_parameters(network, ["linear", "conv", "norm", "bias"]), images(5, 11, 4)
    found = second_moments(network, names, own_logit(network), split(batch, size))
    for name, gradients in dense_gradients(network, names, own_logit, batch).items():
        squares = (gradients**2).mean(0)
        grid = squares.reshape(len(squares), squares.shape[1] if squares.ndim > 1 else 1, -1).mean(2)
        assert found[name].size == squares.numel()
        assert found[name].first == pytest.approx(grid.mean(1).numpy(), rel=1e-9), name
        assert found[name].second == pytest.approx(grid.mean(0).numpy(), rel=1e-9), name


def test_both_uses_of_a_table_count_together() -> None:
    torch.manual_seed(0)
    module, batch = qwen2(), padded_rows(5, 9, VOCABULARY)
    names = select_parameters(module, ["embedding"])
    found = second_moments(module, names, mean_token_logit(module), split(batch, 2))
    (name, gradients), *others = dense_gradients(module, names, mean_token_logit, batch).items()
    assert not others
    # transformers rotates queries and keys in float32
    assert found[name].first == pytest.approx((gradients**2).mean(0).mean(1).numpy(), rel=1e-5)


def test_no_rows_are_refused(network: nn.Module) -> None:
    with pytest.raises(NumericalError, match="at least one row"):
        second_moments(network, ["head.weight"], own_logit(network), [])
