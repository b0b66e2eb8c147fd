"""Sums over blocks of a Gaussian kernel matrix, k(x, y) = mean or sum over s of exp(-|x - y|^2 / (2 s^2)).

Letters: N, M rows of two feature sets; D features. Inputs of any float type, all arithmetic float64. Squared
distances are expanded as |x|^2 + |y|^2 - 2 x'y about a common centre, and clamped at 0. A block of the matrix, rows and columns
both bounded, is formed once for the point estimate, its variance and every replicate; the whole matrix is never in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.terms.arrays import Floats

Combine = Literal["mean", "sum"]
BLOCK_COLUMNS = 4096
"""Columns of a kernel matrix formed at a time: with 512 rows 16 MiB a block, of which three are in memory. Measured:
20,000 x 20,000 rows take 80 MiB more than the rows."""


@dataclass(frozen=True)
class Kernel:
    """A multi-bandwidth Gaussian kernel about a centre that all feature sets share."""

    bandwidths: tuple[float, ...]
    """Standard deviations s, in feature units."""
    combine: Combine
    centre: Floats
    """(D,), subtracted from all features before distances: it changes no distance, only rounding."""
    block_rows: int
    """Rows of a kernel matrix formed at a time."""

    @property
    def at_zero(self) -> float:
        """k(x, x)."""
        return 1.0 if self.combine == "mean" else float(len(self.bandwidths))

    def matrix(self, x: Floats, y: Floats) -> Floats:
        """(N, M) kernel values of centred x (N, D) and y (M, D)."""
        squared = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None, :]
        products = x @ y.T
        products *= 2
        squared -= products
        del products  # before the kernel values take its place
        np.maximum(squared, 0, out=squared)
        return self.values(squared)

    def values(self, squared: Floats) -> Floats:
        """Kernel values of squared distances of any shape."""
        total: Floats = np.zeros_like(squared)
        each = np.empty_like(squared)
        for bandwidth in self.bandwidths:
            np.multiply(squared, -0.5 / bandwidth**2, out=each)
            total += np.exp(each, out=each)
        if self.combine == "mean":
            total /= len(self.bandwidths)
        return total

    def centred(self, features: Floats) -> Floats:
        """The features less the centre. Raises ShapeError when their number of columns is another."""
        if features.shape[1] != self.centre.size:
            raise ShapeError(f"expected features with {self.centre.size} columns, as T has, found {features.shape[1]}.")
        return features - self.centre


@dataclass(frozen=True)
class KernelSums:
    """Sums of a kernel matrix; of two identical sets the diagonal is left out everywhere."""

    total: float
    squares: float
    """Sum of squared entries."""
    row_sums: Floats
    """(N,)."""
    column_sums: Floats
    """(M,)."""


def make_kernel(target: Floats, bandwidths: Sequence[float], combine: Combine, block_rows: int) -> Kernel:
    """The kernel for comparisons with `target` (M, D), centred on its mean. Raises NumericalError for bad bandwidths."""
    if not bandwidths or not all(np.isfinite(s) and s > 0 for s in bandwidths) or block_rows < 1:
        raise NumericalError(
            f"expected positive, finite bandwidths and block_rows >= 1, found {list(bandwidths)} and {block_rows}. "
            f"Set `discrepancy.bandwidths` or `discrepancy.multipliers`."
        )
    return Kernel(tuple(float(s) for s in bandwidths), combine, target.mean(axis=0), block_rows)


def self_sums(kernel: Kernel, x: Floats) -> KernelSums:
    """Sums of k(x_i, x_j) over i != j for centred x (N, D)."""
    return _sums(kernel, x, x, leave_out_diagonal=True)


def cross_sums(kernel: Kernel, x: Floats, y: Floats) -> KernelSums:
    """Sums of k(x_i, y_j) for centred x (N, D) and y (M, D)."""
    return _sums(kernel, x, y, leave_out_diagonal=False)


def _sums(kernel: Kernel, x: Floats, y: Floats, leave_out_diagonal: bool) -> KernelSums:
    squares = 0.0
    rows, columns = np.zeros(len(x)), np.zeros(len(y))
    for block in _blocks(len(x), kernel.block_rows):
        for across in _blocks(len(y), BLOCK_COLUMNS):
            values = kernel.matrix(x[block], y[across])
            if leave_out_diagonal:
                _clear_diagonal(values, block.start - across.start)
            squares += float(np.vdot(values, values))
            rows[block] += values.sum(axis=1)
            columns[across] += values.sum(axis=0)
    return KernelSums(float(rows.sum()), squares, rows, columns)


def _clear_diagonal(values: Floats, offset: int) -> None:
    """Zeros where row i of the block is column i + offset of it: the whole matrix's diagonal."""
    places = np.arange(max(0, -offset), min(values.shape[0], values.shape[1] - offset))
    values[places, places + offset] = 0.0


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
