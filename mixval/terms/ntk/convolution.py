"""Per-example gradients of a convolution's weight without unfolded inputs, which are k^2 times as large as the inputs.

Letters: B examples; C channels in, O out; k^2 taps of the kernel; T places of the output.

    conv_gradients   whole gradients by the library's own backward kernel, each example a group of one grouped convolution
    windows          the input window of each tap, as views, for sketches that need no gradients

Below `FEWEST_PLACES` the product with unfolded inputs is faster, as it is on GPUs (docs/laboratory.md).
"""

from collections.abc import Iterator
from typing import TypeGuard

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv1d_weight, conv2d_weight

from mixval.terms.ntk.kinds import is_conv

FEWEST_PLACES = 32
"""Of the output: fewer, and unfolded inputs are faster."""


def has_kernel(module: nn.Module, given: Tensor, grad: Tensor) -> TypeGuard[nn.Conv1d | nn.Conv2d]:
    """Whether `conv_gradients` is faster: a convolution larger than a pixel, many places, on a CPU, padded by zeros."""
    if not is_conv(module) or module.padding_mode != "zeros" or max(module.kernel_size) == 1:
        return False
    return given.device.type == "cpu" and grad[0, 0].numel() >= FEWEST_PLACES


def conv_gradients(module: nn.Conv1d | nn.Conv2d, given: Tensor, grad: Tensor) -> Tensor:
    """(B, O I): gradients of the weight, flattened, from the input (B, C, ...) and the gradient (B, O, ...) at the output."""
    weight_of = conv1d_weight if isinstance(module, nn.Conv1d) else conv2d_weight
    padding = module.padding
    if isinstance(padding, str):  # "same" may pad one side more than the other
        given, padding = functional.pad(given, module._reversed_padding_repeated_twice), (0,) * len(module.kernel_size)
    n, (rows, *rest) = len(given), module.weight.shape
    made: Tensor = weight_of(  # type: ignore[no-untyped-call]  # torch has no annotation for it
        given.reshape(1, -1, *given.shape[2:]),
        (n * rows, *rest),
        grad.reshape(1, -1, *grad.shape[2:]),
        module.stride,
        padding,
        module.dilation,
        n * module.groups,
    )
    return made.reshape(n, -1)


def windows(module: nn.Conv1d | nn.Conv2d, given: Tensor) -> Iterator[tuple[int, tuple[slice, slice], Tensor]]:
    """For each tap of a convolution without groups: its number, the places of the output that it reaches, and its input window.

    Places are slices along the output's height and width, the window is a view (B, height, width, C) of the input (B, C,
    ...). Taps that fall into the padding everywhere are left out.
    """
    padding = module.padding
    if isinstance(padding, str) or module.padding_mode != "zeros":
        mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
        given, padding = functional.pad(given, module._reversed_padding_repeated_twice, mode=mode), (0, 0)
    lead, filler, nothing = ((1,), (1,), (0,)) if isinstance(module, nn.Conv1d) else ((), (), ())
    image = (given[:, :, None] if isinstance(module, nn.Conv1d) else given).permute(0, 2, 3, 1).contiguous()
    kernel, stride, dilation = (
        (*lead, *module.kernel_size),
        (*filler, *module.stride),
        (*filler, *module.dilation),
    )
    padded = (*nothing, *padding)[-2:]
    for tap in range(kernel[0] * kernel[1]):
        offsets = divmod(tap, kernel[1])
        spans = [_reach(image.shape[1 + i], kernel[i], stride[i], dilation[i], padded[i], offsets[i]) for i in (0, 1)]
        (rows, seen_rows), (columns, seen_columns) = spans
        if rows.start < rows.stop and columns.start < columns.stop:
            yield tap, (rows, columns), image[:, seen_rows, seen_columns]


def _reach(size: int, kernel: int, stride: int, dilation: int, padding: int, offset: int) -> tuple[slice, slice]:
    """Along one side: the outputs whose input at a tap's offset lies inside the image, and those inputs."""
    n_out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    shift = offset * dilation - padding  # output t reads input t stride + shift
    first = max(0, -(shift // stride))
    last = min(n_out, (size - 1 - shift) // stride + 1)
    start = first * stride + shift
    return slice(first, last), slice(start, start + (last - first - 1) * stride + 1, stride)
