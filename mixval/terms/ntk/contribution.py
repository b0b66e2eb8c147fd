"""What one use of a layer adds to per-example gradients, from the layer's input and the gradient at its output.

Letters: B examples, T positions, O and I the two sides of a weight seen as a matrix (dimension 0, and the rest flattened).

    Linear     left = output gradient (B, T, O)     right = input (B, T, I)
    Conv1D     left = input (B, T, O)               right = output gradient (B, T, I)       (transformers: weight (in, out))
    Conv2d     left = output gradient (B, T, O)     right = unfolded input (B, T, I)        (T places of the output)
    Embedding  left = token ids (B, T)              right = output gradient (B, T, I)       (ids stand for one-hot rows)

and the gradient of example i is sum_t left[i, t] (x) right[i, t]. Biases, norms and grouped convolutions give (B, P) vectors.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixval.terms.ntk.kinds import CHANNELS_FIRST, is_conv, is_embedding, is_linear, is_norm


@dataclass(frozen=True)
class Factors:
    """Gradients left as factors: example i has sum_t left[i, t] (x) right[i, t]."""

    left: Tensor
    """(n, T, O), or (n, T) int64: the one row of the weight that position t touches."""
    right: Tensor
    """(n, T, I)."""

    @property
    def has_ids(self) -> bool:
        """Whether `left` names rows instead of holding vectors."""
        return self.left.ndim == 2

    def matrices(self, low: int, high: int) -> Tensor:
        """(n, (high - low) I): rows `low` to `high` of every example's gradient, flattened."""
        made = self.right.new_empty(len(self.right), (high - low) * self.right.shape[2])
        self.add_matrices(made, low, high, is_first=True)
        return made

    def add_matrices(self, made: Tensor, low: int, high: int, is_first: bool) -> None:
        """Add `matrices` to contiguous `made`, or write them there when they are the first."""
        n, positions, width = self.right.shape
        whole = made.view(n, high - low, width)
        if not self.has_ids:
            whole.baddbmm_(self.left[:, :, low:high].transpose(1, 2), self.right, beta=0 if is_first else 1)
            return
        if is_first:
            made.zero_()
        inside = ((self.left >= low) & (self.left < high)).flatten()
        place = self.left - low + torch.arange(n, device=self.left.device)[:, None] * (high - low)
        rows = self.right.reshape(n * positions, width)[inside]
        whole.view(-1, width).index_add_(0, place.flatten()[inside], rows.to(made.dtype))


@dataclass(frozen=True)
class Call:
    """The inputs of one call of a module."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    given: Tensor
    """(B, ...): the first tensor among the inputs."""
    version: int
    """Of `given`'s storage at the call: another one later means that it was overwritten."""


def contribution(module: nn.Module, local: str, call: Call, grad: Tensor) -> Factors | Tensor:
    """Factors, or (B, P) gradients, of parameter `local` for one use of `module`.

    `call` holds the module's inputs, `grad` is the gradient (B, ...) at its output.
    """
    given = call.given
    if is_norm(module):
        return _norm_gradient(module, local, call, grad)
    if local == "bias":
        return _over_places(grad, channels_first=is_conv(module))
    if is_conv(module):
        return _conv(module, given, grad)
    if is_embedding(module):
        return _embedding(module, given, grad)
    flat_input, flat_grad = (x.reshape(len(x), -1, x.shape[-1]) for x in (given, grad))
    return Factors(flat_grad, flat_input) if is_linear(module) else Factors(flat_input, flat_grad)


def _embedding(module: nn.Embedding, ids: Tensor, grad: Tensor) -> Factors:
    left, right = ids.reshape(len(ids), -1), grad.reshape(len(grad), -1, grad.shape[-1])
    if module.padding_idx is not None:
        right = right * (left != module.padding_idx)[:, :, None]
    if (scale := getattr(module, "embed_scale", None)) is not None:
        right = right * scale
    return Factors(left.long(), right)


def _conv(module: nn.Conv1d | nn.Conv2d, given: Tensor, grad: Tensor) -> Factors | Tensor:
    patches, flat = unfold(module, given), grad.flatten(2)  # (B, I_all, T), (B, O, T)
    if module.groups == 1:
        return Factors(flat.transpose(1, 2), patches.transpose(1, 2))
    n, places = len(flat), flat.shape[2]
    left = flat.reshape(n * module.groups, -1, places)
    right = patches.reshape(n * module.groups, -1, places)
    return torch.bmm(left, right.transpose(1, 2)).reshape(n, -1)


def unfold(module: nn.Conv1d | nn.Conv2d, given: Tensor) -> Tensor:
    """(B, I groups, T) patches that a convolution multiplies with its weight, in the weight's own order."""
    is_flat = isinstance(module, nn.Conv1d)
    padding = module._reversed_padding_repeated_twice
    if any(padding):
        mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
        given = functional.pad(given, padding, mode=mode)
    if is_flat:
        given = given[:, :, None, :]
    lead = (1,) if is_flat else ()
    kernel, stride, dilation = ((*lead, *side) for side in (module.kernel_size, module.stride, module.dilation))
    if all(side == 1 for side in kernel):
        return given[:, :, :: stride[0], :: stride[1]].flatten(2)
    return functional.unfold(given, kernel, dilation=dilation, stride=stride)


def _norm_gradient(module: nn.Module, local: str, call: Call, grad: Tensor) -> Tensor:
    """A norm is affine in its weight, so what multiplies the weight is output(weight 1) - output(weight 0)."""
    channels_first = isinstance(module, CHANNELS_FIRST)
    parameter = module.get_parameter(local)
    if local == "bias":
        return _over_places(grad, channels_first, parameter.ndim)
    empty = {name: torch.zeros_like(p) for name, p in module._parameters.items() if p is not None}
    low = torch.func.functional_call(module, empty, call.args, call.kwargs)
    ones = {**empty, local: torch.ones_like(parameter)}
    high = torch.func.functional_call(module, ones, call.args, call.kwargs)
    return _over_places(grad * (high - low), channels_first, parameter.ndim)


def _over_places(values: Tensor, channels_first: bool, trailing: int = 1) -> Tensor:
    """(B, P): the sum over everything but examples and the dimensions of the parameter."""
    if channels_first:
        return values.flatten(2).sum(2) if values.ndim > 2 else values
    kept = values.shape[values.ndim - trailing :]
    return values.reshape(len(values), -1, kept.numel()).sum(1)
