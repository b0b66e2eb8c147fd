"""The sketch sums of a batch, to which each layer's gradients are added as soon as the backward pass reaches the layer.

Letters: B examples; q features; T positions; a weight of O x I. A bfloat16 layer's gradients are formed in bfloat16 (products
accumulate in float32 and are rounded once); everything is folded, convolved and summed in float32, or float64 for float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, nn

from mixval.errors import ModelError
from mixval.terms.ntk.assemble import slim, wide, widened
from mixval.terms.ntk.contribution import Call, Factors, contribution
from mixval.terms.ntk.convolution import conv_gradients, has_kernel, windows
from mixval.terms.ntk.hashing import CountHash, TensorHash
from mixval.terms.ntk.kinds import is_conv

CHUNK_BYTES = 2**23
"""Of gradients formed at a time. Less means more and smaller calls."""
SHORT_BYTES = 2**21
"""Of short sketches transformed at a time: they are gone over five times and should stay in a core's cache."""


class Folding:
    """Adds up the uses of all weights, batch by batch, each of n examples.

    Gradients are formed in one buffer, reused from layer to layer: that saves 3 to 7 % of a sketch's CPU time.
    """

    def __init__(
        self,
        hashes: Mapping[str, CountHash | TensorHash],
        shapes: Mapping[str, tuple[int, int]],
        slimmed: Collection[str],
        width: int,
        is_half: bool = False,
    ) -> None:
        """By parameter name: hashes, shapes as matrices, and which are slimmed; q is `width`.

        With `is_half` a float32 layer's gradients are products of factors rounded to bfloat16, too.
        """
        self._is_half = is_half
        self._hashes, self._shapes, self._slimmed = hashes, shapes, slimmed
        self._width = width
        self._buffer = torch.empty(0)
        self.begin(0)

    def begin(self, n: int) -> None:
        """Start a batch of n examples."""
        self._n = n
        self._sums: Tensor | None = None
        self._spectrum: Tensor | None = None

    def take(self, name: str, module: nn.Module, local: str, call: Call, grad: Tensor) -> None:
        """Add what one use of a weight contributes."""
        hashed = self._hashes[name]
        if isinstance(hashed, TensorHash):
            self._take_product(name, hashed, module, local, call, grad)
        elif local == "weight" and has_kernel(module, call.given, grad):
            self._add_kernel(hashed, module, call.given, grad)
        else:
            self._add_count(name, hashed, contribution(module, local, call, grad))

    def features(self, like: Tensor) -> Tensor:
        """(B, q) sketches of the batch; zeros like `like` where it used no weight."""
        if self._sums is None:
            return like.new_zeros(self._n, self._width, dtype=like.dtype if like.dtype == torch.float64 else torch.float32)
        sums = self._sums[:, : self._width] + self._sums[:, self._width :]
        return sums if self._spectrum is None else sums + torch.fft.irfft(self._spectrum, n=self._width)

    def _add_count(self, name: str, hashed: CountHash, use: Factors | Tensor) -> None:
        if isinstance(use, Tensor):
            dense = wide(use).reshape(self._n, -1)
            hashed.add(self._room(dense), dense, 0, hashed.signs(0, hashed.size, dense))
            return
        use = slim(use) if name in self._slimmed else use
        if use.has_ids:
            right = wide(use.right)
            hashed.add_rows(self._room(right), use.left, right)
            return
        use, (rows, columns) = Factors(self._rounded(use.left), self._rounded(use.right)), self._shapes[name]
        step = max(1, CHUNK_BYTES // (self._n * columns * use.right.element_size()))
        for low in range(0, rows, step):
            high = min(low + step, rows)
            made = self._made((self._n, (high - low) * columns), use.right)
            use.add_matrices(made, low, high, is_first=True)
            dense = wide(made)
            hashed.add(self._room(dense), dense, low * columns, hashed.signs(low * columns, high * columns, dense))

    def _add_kernel(self, hashed: CountHash, module: nn.Conv1d | nn.Conv2d, given: Tensor, grad: Tensor) -> None:
        given, grad = _formable(given), _formable(grad)
        sums = self._room(grad)
        signs = hashed.signs(0, hashed.size, sums)
        step = max(1, CHUNK_BYTES // (hashed.size * grad.element_size()))
        for low in range(0, self._n, step):
            own = slice(low, low + step)
            hashed.add(sums[own], wide(conv_gradients(module, given[own], grad[own])), 0, signs)

    def _take_product(self, name: str, hashed: TensorHash, module: nn.Module, local: str, call: Call, grad: Tensor) -> None:
        if local == "weight" and is_conv(module) and module.groups == 1:
            conv, given, grad = module, wide(call.given), wide(grad)
            self._add_product(
                hashed, grad.flatten(2).transpose(1, 2), lambda own: _seen(hashed.columns, conv, given[own], grad[own])
            )
            return
        use = widened(contribution(module, local, call, grad))
        if isinstance(use, Factors) and name in self._slimmed:
            use = slim(use)
        if not isinstance(use, Factors) or use.has_ids:
            raise ModelError(f"parameter '{name}': its gradient has another form than on the batch of the plan. Plan anew.")
        right = use.right
        self._add_product(hashed, use.left, lambda own: _folded(hashed.columns, right[own]))

    def _add_product(self, hashed: TensorHash, left: Tensor, short: Callable[[slice], Tensor]) -> None:
        """Add the cyclic convolutions of sketches of `left` (B, T, O) with `short` (b, T, q), the sketches of its right
        side.
        """
        positions, bins = left.shape[1], self._width // 2 + 1
        if self._spectrum is None:
            kind = torch.complex128 if left.dtype == torch.float64 else torch.complex64
            self._spectrum = self._room(left).new_zeros(self._n, bins, dtype=kind)
        step = max(1, SHORT_BYTES // (positions * self._width * left.element_size()))
        for low in range(0, self._n, step):
            own = slice(low, low + step)
            spectra = hashed.spectrum(left[own].flatten(0, 1)).mul_(torch.fft.rfft(short(own).flatten(0, 1)))
            self._spectrum[own] += spectra.view(-1, positions, bins).sum(1)

    def _rounded(self, factor: Tensor) -> Tensor:
        """The factor in the precision in which its products are formed."""
        return factor.bfloat16() if self._is_half and factor.dtype == torch.float32 else _formable(factor)

    def _made(self, shape: tuple[int, int], like: Tensor) -> Tensor:
        """Memory of that shape in the buffer, to be written over, with whatever it held before."""
        size = math.prod(shape)
        if self._buffer.numel() < size or (self._buffer.dtype, self._buffer.device) != (like.dtype, like.device):
            self._buffer = like.new_empty(size)
        return self._buffer[:size].view(shape)

    def _room(self, like: Tensor) -> Tensor:
        """(B, 2 q): the sums as two halves that are added up in the end, see `CountHash.add`."""
        if self._sums is None:
            kind = torch.float64 if like.dtype == torch.float64 else torch.float32
            self._sums = like.new_zeros(self._n, 2 * self._width, dtype=kind)
        return self._sums


def _folded(columns: CountHash, right: Tensor) -> Tensor:
    """(b, T, q) sketches of the rows of `right` (b, T, I)."""
    short = right.new_zeros(*right.shape[:2], columns.width)
    columns.add(short, right, 0, columns.signs(0, columns.size, right))
    return short


def _seen(columns: CountHash, module: nn.Conv1d | nn.Conv2d, given: Tensor, grad: Tensor) -> Tensor:
    """(b, T, q) sketches of a convolution's input window at each place, columns numbered tap by tap and then by channel."""
    channels, signs = given.shape[1], columns.signs(0, columns.size, given)
    places = grad.shape[2:] if grad.ndim == 4 else (1, grad.shape[2])
    short = given.new_zeros(len(given), *places, columns.width)
    for tap, (rows, cols), view in windows(module, given):
        start = tap * channels
        columns.add(short[:, rows, cols], view, start, signs[start : start + channels])
    return short.flatten(1, 2)


def _formable(tensor: Tensor) -> Tensor:
    """bfloat16, float32 and float64 unchanged; float16 in float32, since products of it overflow."""
    return tensor if tensor.dtype == torch.bfloat16 else wide(tensor)
