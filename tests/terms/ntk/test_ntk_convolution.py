"""Gradients of convolutions by the kernel, and what each tap sees, against autograd and unfolded inputs."""

import pytest
import torch
from ntk_reference import relative
from torch import Tensor, nn

from mixval.terms.ntk.contribution import unfold
from mixval.terms.ntk.convolution import FEWEST_PLACES, conv_gradients, has_kernel, windows

# torch warns once a process that such a padding takes a copy of the input.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

LAYERS = {
    "plain": (nn.Conv2d(3, 4, 3), (5, 3, 7, 8)),
    "padded": (nn.Conv2d(3, 4, 3, padding=1), (5, 3, 6, 6)),
    "strided": (nn.Conv2d(3, 4, (3, 2), stride=(2, 3), padding=(1, 0)), (5, 3, 7, 8)),
    "dilated": (nn.Conv2d(3, 4, 3, dilation=2, padding=2), (5, 3, 7, 5)),
    "same": (nn.Conv2d(3, 4, (2, 4), padding="same"), (5, 3, 6, 6)),
    "pixel": (nn.Conv2d(3, 4, 1, stride=2), (5, 3, 5, 4)),
    "tiny map": (nn.Conv2d(3, 4, 3, padding=1), (5, 3, 1, 1)),
    "shrunk map": (nn.Conv2d(3, 4, 3, stride=2, padding=1), (5, 3, 2, 2)),
    "skips pixels": (nn.Conv2d(3, 4, 1, stride=3, padding=2), (5, 3, 4, 4)),
    "row": (nn.Conv1d(3, 4, 3, stride=2, padding=1), (5, 3, 9)),
    "row same": (nn.Conv1d(3, 4, 4, padding="same"), (5, 3, 9)),
}
UNZEROED = {
    "reflected": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (5, 3, 5, 6)),
    "circular row": (nn.Conv1d(3, 4, 3, padding=2, padding_mode="circular"), (5, 3, 6)),
}
GROUPED = {
    "groups": (nn.Conv2d(4, 6, 3, padding=1, groups=2), (5, 4, 6, 6)),
    "depthwise": (nn.Conv1d(4, 8, 3, groups=4), (5, 4, 9)),
}


def drawn(layer: nn.Module, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """An input and a gradient at the output, float64."""
    generator = torch.Generator().manual_seed(0)
    given = torch.randn(shape, generator=generator, dtype=torch.float64)
    return given, torch.randn(layer(given).shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("layer", "shape"), [*LAYERS.values(), *GROUPED.values()], ids=[*LAYERS, *GROUPED])
def test_kernel_gives_autograds_gradients(layer: nn.Conv2d, shape: tuple[int, ...]) -> None:
    layer = layer.double()
    given, grad = drawn(layer, shape)
    truth = [
        torch.autograd.grad(layer(given[i : i + 1]), layer.weight, grad[i : i + 1])[0].flatten() for i in range(len(given))
    ]
    assert relative(conv_gradients(layer, given, grad), torch.stack(truth)) <= 1e-12


@pytest.mark.parametrize(("layer", "shape"), [*LAYERS.values(), *UNZEROED.values()], ids=[*LAYERS, *UNZEROED])
def test_windows_are_the_unfolded_input(layer: nn.Conv2d, shape: tuple[int, ...]) -> None:
    layer = layer.double()
    given, grad = drawn(layer, shape)
    places = grad.shape[2:] if grad.ndim == 4 else (1, grad.shape[2])
    taps = layer.weight[0, 0].numel()
    found = torch.zeros(len(given), shape[1], taps, *places, dtype=torch.float64)
    for tap, (rows, columns), view in windows(layer, given):
        found[:, :, tap, rows, columns] = view.permute(0, 3, 1, 2)
    assert torch.equal(found.reshape(len(given), shape[1] * taps, -1), unfold(layer, given))


def test_taps_in_the_padding_are_left_out() -> None:
    assert [tap for tap, _, _ in windows(nn.Conv2d(3, 4, 3, padding=1), torch.ones(2, 3, 1, 1))] == [4]


def test_kernel_is_for_many_places_of_zero_padded_convolutions() -> None:
    given, many, few = torch.ones(2, 3, 8, 8), torch.ones(2, 4, 8, 8), torch.ones(2, 4, 4, 4)
    assert many[0, 0].numel() >= FEWEST_PLACES > few[0, 0].numel()
    assert has_kernel(nn.Conv2d(3, 4, 3, padding=1), given, many)
    assert not has_kernel(nn.Conv2d(3, 4, 3, padding=1), given, few)
    assert not has_kernel(nn.Conv2d(3, 4, 1), given, many)
    assert not has_kernel(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), given, many)
    assert not has_kernel(nn.Linear(3, 4), given, many)
