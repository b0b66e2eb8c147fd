"""From the contributions of batches to a gradient slice, each weight kept the cheaper way.

Letters: n rows, T positions, a weight of O x I.

    kept as      bytes a row      Gram of two slices
    gradient     O I              n m O I multiply-adds
    factors      T (O + I)        the lesser of n m T T' (O + I), and (n + m) T O I + n m O I (gradients formed a few rows of
                                  the weight at a time, see `gram.py`)

`auto` keeps what takes fewer bytes on the first batch. It loses nothing to speak of in operations: where the gradient is
smaller, T >= O I / (O + I), pairing positions is never the cheaper route; where the factors are smaller, forming gradients
from them costs no more than an ordinary backward pass. `gradient` and `factors` keep every weight that way, except that
biases, norms and grouped convolutions are vectors always. The rule looks at weights and positions, never at n, and slices
that chose differently still fit together.

Two exact savings on factors: positions whose output has no gradient are dropped, and where every position has at most
one non-zero output (the true token's logit), `left` becomes the number of that output.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from mixval.terms.ntk.contribution import Factors
from mixval.terms.ntk.slice import GradientSlice, WeightGradients

Form = Literal["auto", "gradient", "factors"]
FEWEST_FOR_IDS = 16
"""Outputs from which on it is worth looking whether each position has a single one."""


class Assembly:
    """Collects batches, then joins them weight by weight."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], form: Form) -> None:
        """`shapes` of the parameters by name."""
        self._shapes = {name: matrix_shape(shape) for name, shape in shapes.items()}
        self._form = form
        self._as_gradient: dict[str, bool] = {}
        self._outputs: list[Tensor] = []
        self._chunks: dict[str, list[Tensor | dict[int, Factors]]] = {name: [] for name in shapes}

    @property
    def n(self) -> int:
        """Rows so far."""
        return sum(len(outputs) for outputs in self._outputs)

    def add(self, outputs: Tensor, contributions: dict[str, dict[int, Factors | Tensor]]) -> None:
        """Take one batch: outputs (B,), and by parameter the contribution of each use. Empties `contributions`."""
        self._outputs.append(outputs.double())
        for name in list(contributions):
            self._chunks[name].append(self._keep(name, contributions.pop(name)))

    def row(self, row: int) -> dict[str, Tensor | Factors]:
        """One row of the first batch, by parameter: a gradient (1, O I), or the factors of all uses side by side."""
        return {name: _row(chunks[0], row, self._shapes[name]) for name, chunks in self._chunks.items()}

    def finish(self) -> GradientSlice:
        """The slice of all batches. The assembly is empty afterwards."""
        counts = [len(outputs) for outputs in self._outputs]
        weights = {}
        for name in list(self._chunks):
            weights[name] = _join(self._chunks.pop(name), self._shapes[name], counts)
        return GradientSlice(torch.cat(self._outputs), weights)

    def _keep(self, name: str, uses: dict[int, Factors | Tensor]) -> Tensor | dict[int, Factors]:
        """The contributions of one weight in one batch, in the form that the weight has."""
        rows = self._shapes[name][0]
        exact = {i: widened(use) for i, use in sorted(uses.items())}
        factors = {i: slim(use) for i, use in exact.items() if isinstance(use, Factors)}
        vectors = [use for use in exact.values() if isinstance(use, Tensor)]
        if vectors or (factors and self._is_gradient(name, factors)):
            return _total([*vectors, *(use.matrices(0, rows) for use in factors.values())])
        return factors

    def _is_gradient(self, name: str, factors: dict[int, Factors]) -> bool:
        if self._form != "auto":
            return self._form == "gradient"
        if name not in self._as_gradient:
            held = sum(t[0].numel() for use in factors.values() for t in (use.left, use.right))
            rows, columns = self._shapes[name]
            self._as_gradient[name] = rows * columns <= held
        return self._as_gradient[name]


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """A parameter as a matrix: dimension 0, and the rest flattened."""
    return shape[0], int(torch.Size(shape[1:]).numel())


def slim(factors: Factors) -> Factors:
    """The same gradients without idle positions, and with row numbers for one-hot left sides."""
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


def widened(use: Factors | Tensor) -> Factors | Tensor:
    """Half precisions become float32: sums of many products need it."""
    if isinstance(use, Tensor):
        return wide(use)
    return Factors(use.left if use.has_ids else wide(use.left), wide(use.right))


def wide(tensor: Tensor) -> Tensor:
    """float64 as it is, everything else in float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _total(parts: list[Tensor]) -> Tensor:
    return torch.stack([part.reshape(len(part), -1) for part in parts]).sum(0) if len(parts) > 1 else parts[0]


def _row(chunk: Tensor | dict[int, Factors], row: int, shape: tuple[int, int]) -> Tensor | Factors:
    if isinstance(chunk, Tensor):
        return chunk[row : row + 1]
    parts = [Factors(use.left[row : row + 1], use.right[row : row + 1]).matrices(0, shape[0]) for use in chunk.values()]
    # No use, no gradient; the comparison is with zeros of any device or precision.
    return _total(parts) if parts else torch.zeros(1, shape[0] * shape[1])


def _join(chunks: list[Tensor | dict[int, Factors]], shape: tuple[int, int], counts: list[int]) -> WeightGradients:
    """One weight of all batches; a batch that does not use it contributes zeros."""
    if any(isinstance(chunk, Tensor) for chunk in chunks):
        like = next(chunk for chunk in chunks if isinstance(chunk, Tensor))
        dense = [
            chunk if isinstance(chunk, Tensor) else like.new_zeros(count, like.shape[1])
            for chunk, count in zip(chunks, counts, strict=True)
        ]
        return WeightGradients(shape, torch.cat(dense), ())
    by_use = [chunk for chunk in chunks if isinstance(chunk, dict)]
    numbers = sorted({i for chunk in by_use for i in chunk})
    uses = tuple(_join_use([chunk.get(i) for chunk in by_use], shape, counts) for i in numbers)
    return WeightGradients(shape, None, uses)


def _join_use(chunks: list[Factors | None], shape: tuple[int, int], counts: list[int]) -> Factors:
    """One use over all batches, padded with zeros to the longest."""
    present = [chunk for chunk in chunks if chunk is not None]
    right = present[0].right
    nothing = Factors(right.new_zeros(1, 1, dtype=torch.int64), right.new_zeros(1, 1, shape[1]))
    filled = [
        Factors(nothing.left.expand(count, -1), nothing.right.expand(count, -1, -1)) if chunk is None else chunk
        for chunk, count in zip(chunks, counts, strict=True)
    ]
    if not all(chunk.has_ids for chunk in present):
        filled = [_dense(chunk, shape[0]) for chunk in filled]
    longest = max(chunk.right.shape[1] for chunk in filled)
    lefts = [_pad(chunk.left, longest) for chunk in filled]
    return Factors(torch.cat(lefts), torch.cat([_pad(chunk.right, longest) for chunk in filled]))


def _dense(factors: Factors, rows: int) -> Factors:
    if not factors.has_ids:
        return factors
    return Factors(functional.one_hot(factors.left, rows).to(factors.right.dtype), factors.right)


def _pad(tensor: Tensor, longest: int) -> Tensor:
    short = longest - tensor.shape[1]
    if not short:
        return tensor
    return functional.pad(tensor, (0, short) if tensor.ndim == 2 else (0, 0, 0, short))
