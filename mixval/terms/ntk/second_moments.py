"""Second moments of gradients over rows of T, for `preconditioner.py`: one forward and backward pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from torch import nn

from mixval.terms.ntk.capture import Batch, Scalar, captured_batches
from mixval.terms.ntk.preconditioner import Moments
from mixval.terms.ntk.slice import WeightGradients

BLOCK_BYTES = 2**26
"""Of gradients formed at a time; one row of the weight for all examples at least."""


def second_moments(module: nn.Module, names: Sequence[str], scalar: Scalar, batches: Iterable[Batch]) -> dict[str, Moments]:
    """By parameter name, over all rows of `batches`. Memory: the gradients, or their factors, of one batch.

    Raises what `capture` raises.
    """
    shapes = {name: module.get_parameter(name).shape for name in names}
    sums = {name: (np.zeros(shape[0]), np.zeros(shape[1] if len(shape) > 1 else 1)) for name, shape in shapes.items()}
    n = 0
    for one in captured_batches(module, names, scalar, batches):
        n += one.n
        for name, weight in one.weights.items():
            if not weight.is_zero:
                _add_squares(*sums[name], weight)
    found = {}
    for name, (first, second) in sums.items():
        size = shapes[name].numel()
        found[name] = Moments(first * len(first) / (n * size), second * len(second) / (n * size), size)
    return found


def _add_squares(first: np.ndarray, second: np.ndarray, weight: WeightGradients) -> None:
    """Add the squares of a batch's gradients, summed over all but one dimension, to `first` (D0,) and `second` (D1,)."""
    rows, columns = weight.shape
    step = max(1, BLOCK_BYTES // (weight.n * columns * 4))
    for low in range(0, rows, step):
        high = min(low + step, rows)
        squares = weight.matrices(low, high).double().square_().sum(0).reshape(high - low, len(second), -1).sum(2).cpu().numpy()
        first[low:high] += squares.sum(1)
        second += squares.sum(0)
