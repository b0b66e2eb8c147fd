"""A diagonal preconditioner of the tangent kernel, of rank one a weight: gradients over the root of their second moments.

Letters: n rows of T; g a row's gradient of the kernel's output f; D0, D1 the first two dimensions of a weight (a vector:
D1 = 1; taps of a convolution share one number); e the floor.

    v       mean over T's rows of g^2, coordinate by coordinate
    r, c    means of v over all but the weight's first, and all but its second dimension; m over the weight; M over all weights
    v^_ab   (r_a + e m) (c_b + e m) (m + e M) / ((1 + e) m)^2, Adafactor's form (Shazeer and Stern, arXiv 1804.04235), floored
    Theta   <s g, s g'>,  s = v^^(-EXPONENT), times a number that leaves T's mean |g|^2 as it is

With 1/2 this is the inner product by the diagonal of T's Fisher information where f is log p. A step of Adam moves a parameter
by its gradient over the root of v (Kingma and Ba, arXiv 1412.6980), whose linearised training has the features g v^(-1/4).

One number a row of a weight and one a column are multiplied into a layer's output gradient and its input, so that all that is
made of the two, factors, Gram blocks and sketches, is made as without. v is T's alone: sums of contributors stay additive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import Floats
from mixval.terms.ntk.contribution import Call
from mixval.terms.ntk.kinds import CHANNELS_FIRST, is_conv, is_embedding, is_norm, is_transposed_linear

EXPONENT = 0.5
"""Of the second moments, in the features."""
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Moments:
    """Means of squared gradients of one weight."""

    first: Floats
    """(D0,): r."""
    second: Floats
    """(D1,): c."""
    size: int
    """Numbers of the weight."""

    @property
    def mean(self) -> float:
        """m."""
        return float(self.first.mean())


@dataclass(frozen=True)
class Preconditioner:
    """Scales of gradients, by parameter name; parameters that it does not name are left as they are."""

    scales: Mapping[str, tuple[Tensor, Tensor]]
    """(D0,) and (D1,) float32, above 0."""

    def scaled(self, name: str, module: nn.Module, local: str, call: Call, grad: Tensor) -> tuple[Call, Tensor]:
        """The inputs of one use of a module and the gradient (B, ...) at its output, such that what they contribute to the
        parameter's gradient is scaled."""
        if name not in self.scales:
            return call, grad
        first, second = (scale.to(grad) for scale in self.scales[name])
        if local == "bias" or is_norm(module):
            shape = module.get_parameter(local).shape
            channels_first = is_conv(module) or isinstance(module, CHANNELS_FIRST)
            return call, grad * _placed(_grid(first, second, shape), grad, 1 if channels_first else grad.ndim - len(shape))
        if is_embedding(module):
            return call, grad * (first[call.given.long()].unsqueeze(-1) * second)
        if is_conv(module):
            given = call.given * _placed(second.repeat(module.groups), call.given, 1)
            return replace(call, given=given), grad * _placed(first, grad, 1)
        if is_transposed_linear(module):
            first, second = second, first
        return replace(call, given=call.given * second.to(call.given)), grad * first

    def applied(self, name: str, gradient: Tensor) -> Tensor:
        """A whole gradient of a parameter, of the parameter's shape, scaled."""
        if name not in self.scales:
            return gradient
        first, second = (scale.to(gradient) for scale in self.scales[name])
        return gradient * _grid(first, second, gradient.shape)

    def to_arrays(self) -> Arrays:
        """Contiguous arrays by name, e.g. for safetensors."""
        return {f"{side}/{name}": pair[side].numpy() for name, pair in self.scales.items() for side in (0, 1)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Preconditioner:
        """What `to_arrays` wrote."""
        names = [name.removeprefix("0/") for name in arrays if name.startswith("0/")]
        return cls({name: (torch.from_numpy(arrays[f"0/{name}"]), torch.from_numpy(arrays[f"1/{name}"])) for name in names})


def preconditioner(moments: Mapping[str, Moments], floor: float) -> Preconditioner:
    """The preconditioner of T's second moments, by parameter name; `floor` is e.

    A weight that no row of T uses is left as it is. Raises ShapeError for a floor that is not above 0, and NumericalError for
    moments that are not finite, or all 0.
    """
    if floor <= 0:
        raise ShapeError(f"a preconditioner needs a floor above 0, found {floor:g}. Set `ntk.preconditioner_floor`.")
    total = sum(one.mean * one.size for one in moments.values())
    if not np.isfinite(total) or total <= 0:
        raise NumericalError(
            f"the target's squared gradients sum up to {total:g}: no geometry can be taken from them. Set "
            "`ntk.preconditioner: none`, or look for rows that overflow the backbone's precision (`backbone.dtype`)."
        )
    overall = total / sum(one.size for one in moments.values())
    found = {name: _scales(one, floor, overall) for name, one in moments.items() if one.mean > 0}
    # Of T's rows, with v in the factored form: sum over coordinates of s^2 v.
    after = sum(
        one.size * float((a**2 * one.first).mean() * (b**2 * one.second).mean()) / one.mean
        for name, one in moments.items()
        for a, b in ([found[name]] if name in found else [])
    )
    unit = (total / after) ** 0.25  # of each side of s, whose square enters Theta
    return Preconditioner({name: (_side(a * unit), _side(b * unit)) for name, (a, b) in found.items()})


def _scales(moments: Moments, floor: float, overall: float) -> tuple[Floats, Floats]:
    mean = moments.mean
    level = np.sqrt((mean + floor * overall) / mean)  # of each side
    sides = [(side + floor * mean) / ((1 + floor) * np.sqrt(mean)) * level for side in (moments.first, moments.second)]
    return sides[0] ** -EXPONENT, sides[1] ** -EXPONENT


def _side(scale: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(scale, dtype=np.float32))


def _grid(first: Tensor, second: Tensor, shape: torch.Size) -> Tensor:
    """The scales of a parameter, in its shape but for dimensions of 1 beyond the second."""
    if len(shape) == 1:
        return first * second
    return (first[:, None] * second).reshape(*shape[:2], *(1 for _ in shape[2:]))


def _placed(scale: Tensor, like: Tensor, start: int) -> Tensor:
    """The scale with its dimensions at `start` and following of `like`."""
    after = like.ndim - start - scale.ndim
    return scale.reshape(*(1 for _ in range(start)), *scale.shape, *(1 for _ in range(after)))
