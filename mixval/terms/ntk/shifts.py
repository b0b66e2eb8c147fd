"""Per-example gradients of a convolution without unfolding its input: one product for each place of the kernel.

With the input padded to rows of W' pixels and the output's gradient padded with zeros to the same W', what place (dy, dx) of
the kernel multiplies is the flattened input from pixel dy W' + dx on: a view. Nothing is copied k^2 times, as `unfold` does.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixval.terms.ntk.kinds import is_conv


def slides(module: nn.Module) -> bool:
    """Whether it is a Conv2d of stride 1 with zero padding, no dilation and one group, larger than a pixel."""
    if not is_conv(module) or not isinstance(module, nn.Conv2d) or module.padding_mode != "zeros" or module.groups != 1:
        return False
    return set(module.stride) == set(module.dilation) == {1} and max(module.kernel_size) > 1


def shifted_gradients(module: nn.Conv2d, given: Tensor, grad: Tensor, rows: slice) -> Iterator[Tensor]:
    """For each place of the kernel in turn, (B, len(rows), C): gradients of these output channels' weights at that place.

    `given` (B, C, H, W) is the layer's input, `grad` (B, O, H_out, W_out) the gradient at its output.
    """
    padded = functional.pad(given, module._reversed_padding_repeated_twice)
    width, (high, wide) = padded.shape[3], grad.shape[2:]
    length = (high - 1) * width + wide
    left = functional.pad(grad[:, rows], (0, width - wide)).flatten(2)[:, :, :length]
    flat = padded.flatten(2).transpose(1, 2)
    for down in range(module.kernel_size[0]):
        for right in range(module.kernel_size[1]):
            start = down * width + right
            yield torch.bmm(left, flat[:, start : start + length])
