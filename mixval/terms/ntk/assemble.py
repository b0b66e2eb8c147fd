"""From the contributions of a batch to its gradient slice, each weight stored in the cheaper form.

Letters: n rows, T positions, a weight of O x I.

    form         bytes a row      Gram of two slices
    gradient     O I              n m O I multiply-adds
    factors      T (O + I)        the lesser of n m T T' (O + I), and (n + m) T O I + n m O I (gradients formed a few rows of
                                  the weight at a time, see `gram.py`)

`auto` takes the form with fewer bytes on the first batch. That is near the fewest operations too: where the gradient is
smaller, T >= O I / (O + I), pairing positions is never the cheaper route; where the factors are smaller, forming gradients
from them costs no more than an ordinary backward pass. `gradient` and `factors` store every weight in that form, except that
biases, norms and grouped convolutions are vectors always. The rule depends on weights and positions, never on n, and slices
of different forms fit together.

A layer is reduced to its form as soon as the backward pass reaches it, so that the raw inputs and output gradients of a batch
are not all in memory at once. Two exact savings on factors: positions whose output has no gradient are dropped, and where every
position has at most one non-zero output (the true token's logit), `left` becomes the number of that output.
"""

from typing import Literal, cast

import torch
from torch import Tensor, nn

from mixval.terms.ntk.contribution import Call, Factors, contribution
from mixval.terms.ntk.convolution import conv_gradients, has_kernel
from mixval.terms.ntk.kinds import is_conv
from mixval.terms.ntk.slice import GradientSlice, Kept, WeightGradients

Form = Literal["auto", "gradient", "factors"]
FEWEST_FOR_IDS = 16
"""Least outputs for which it pays to check whether each position has a single non-zero one."""


class Assembly:
    """Collects the contributions of layers, batch by batch; each weight has the form that the first batch chose."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], form: Form) -> None:
        """`shapes` of the parameters by name."""
        self._shapes = {name: matrix_shape(shape) for name, shape in shapes.items()}
        self._form = form
        self._as_gradient: dict[str, bool] = {}
        self._batch: dict[str, Kept] = {}
        self._order: dict[str, None] = {}
        """Weights in the order in which the backward pass reached them first."""

    def take(self, name: str, module: nn.Module, local: str, call: Call, grad: Tensor) -> None:
        """Add one use of a weight to the batch, in the form that the weight has."""
        before = self._batch.get(name, ())
        self._order.setdefault(name)
        if (
            local == "weight"
            and has_kernel(module, call.given, grad)
            and self._is_gradient(name, _conv_factor_size(module, grad))
        ):
            gradients = conv_gradients(cast("nn.Conv2d", module), wide(call.given), wide(grad))
            self._batch[name] = self._summed(name, before, gradients)
            return
        use = widened(contribution(module, local, call, grad))
        if isinstance(use, Factors):
            use = slim(use)
            if not self._is_gradient(name, use.left[0].numel() + use.right[0].numel()):
                self._batch[name] = (*before, own(use)) if isinstance(before, tuple) else self._summed(name, before, use)
                return
        self._batch[name] = self._summed(name, before, use)

    def finish(self, outputs: Tensor) -> GradientSlice:
        """The slice of the batch whose uses were taken, with outputs (B,). The next batch begins empty."""
        weights = {}
        for name in self._order | dict.fromkeys(self._shapes):
            weights[name] = WeightGradients(self._shapes[name], (len(outputs),), (self._batch.pop(name, ()),))
        return GradientSlice(outputs.double(), weights)

    def _is_gradient(self, name: str, factor_size: int) -> bool:
        if self._form != "auto":
            return self._form == "gradient"
        rows, columns = self._shapes[name]
        return self._as_gradient.setdefault(name, rows * columns <= factor_size)

    def _summed(self, name: str, before: Kept, use: Factors | Tensor) -> Tensor:
        """(B, O I): gradients of a use added to those of earlier ones."""
        rows = self._shapes[name][0]
        parts = [before] if isinstance(before, Tensor) else list(before)
        total, *others = [p.matrices(0, rows) if isinstance(p, Factors) else p.reshape(len(p), -1) for p in (*parts, use)]
        return sum(others, start=total)


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """A parameter as a matrix: dimension 0, and the rest flattened."""
    return shape[0], int(torch.Size(shape[1:]).numel())


def slim(factors: Factors) -> Factors:
    """The same gradients without zero positions, and with row numbers for one-hot left sides."""
    left, right = factors.left, factors.right
    if not factors.has_ids and left.shape[2] >= FEWEST_FOR_IDS and int((left != 0).sum(2).max()) <= 1:
        size, place = left.abs().max(2)
        value = torch.gather(left, 2, place[:, :, None])
        factors = Factors(torch.where(size > 0, place, 0), right * value)
        left, right = factors.left, factors.right
    busy = ((right if factors.has_ids else left) != 0).any(2)
    most = max(int(busy.sum(1).max()), 1)
    if most == right.shape[1]:
        return factors
    order = torch.argsort((~busy).to(torch.uint8), dim=1, stable=True)[:, :most]
    right = torch.gather(right, 1, order[:, :, None].expand(-1, -1, right.shape[2]))
    left = torch.gather(left, 1, order if left.ndim == 2 else order[:, :, None].expand(-1, -1, left.shape[2]))
    return Factors(left, right)


def own(factors: Factors) -> Factors:
    """The same factors, neither a view that keeps a larger tensor alive."""

    def compact(tensor: Tensor) -> Tensor:
        return tensor if tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size() else tensor.clone()

    return Factors(compact(factors.left), compact(factors.right))


def widened(use: Factors | Tensor) -> Factors | Tensor:
    """Half precisions become float32: sums of many products need it."""
    if isinstance(use, Tensor):
        return wide(use)
    return Factors(use.left if use.has_ids else wide(use.left), wide(use.right))


def wide(tensor: Tensor) -> Tensor:
    """float64 unchanged, everything else in float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _conv_factor_size(module: nn.Module, grad: Tensor) -> int:
    """Numbers an example of a convolution's factors, unfolded; the weight's own size where there are no factors."""
    if not is_conv(module) or module.groups != 1:
        return module.get_parameter("weight").numel()
    rows, columns = matrix_shape(tuple(module.weight.shape))
    return (grad[0].numel() // rows) * (rows + columns)
