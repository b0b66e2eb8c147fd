"""The MMD in time linear in the rows: a mean over pairs of rows, with a standard error in closed form.

Letters: x rows of T, y rows of the part, D features. From rows 2i and 2i + 1 of each side (Gretton et al., JMLR 13, 2012,
Lemma 14 and Corollary 16; k the multi-bandwidth kernel of `kernel.py`)

    h_i = k(x_2i, x_2i+1) + k(y_2i, y_2i+1) - k(x_2i, y_2i+1) - k(x_2i+1, y_2i)
    MMD^2 = mean of h_i,    standard error = sd(h_i) / sqrt(pairs)

Unbiased like the quadratic form, and normal in the limit whether the sets agree or not, but with a larger error: it is for sets
whose kernel matrix is too large. Pairs must be independent, so rows have to come in an order without meaning: `hashed_order`
gives one that follows their content. Blocks are read once and cut anew; sums are float64.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixval.errors import NumericalError, ShapeError
from mixval.seeds import derive_seed
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.discrepancy.kernel import Kernel
from mixval.terms.discrepancy.mmd import Scale, scaled
from mixval.terms.half_samples import Keys, splitmix64


@dataclass(frozen=True)
class LinearTimeMmd:
    """How far a part lies from T, from disjoint pairs of rows."""

    value: float
    """In kernel units, clamped at 0; the square root of `squared` when asked for."""
    squared: float
    """As estimated: may be below 0."""
    standard_error: float | None
    """Of `squared`; None for a single pair."""
    n_pairs: int
    """Pairs of each side: twice as many rows of each were used, the shorter side's."""


def hashed_order(keys: Keys, seed: int) -> npt.NDArray[np.int64]:
    """(N,) positions of rows by a hash of their (N,) uint64 content keys: an order without meaning, whatever the rows' own.

    Rows with one key lie beside each other. Raises ShapeError for other keys.
    """
    if keys.ndim != 1 or keys.dtype != np.uint64:
        raise ShapeError(f"an order of rows: expected (N,) uint64 keys, found {keys.dtype} {keys.shape}.")
    return np.argsort(splitmix64(keys ^ np.uint64(derive_seed("linear-time-pairs", seed))), kind="stable")


def linear_time_mmd(
    kernel: Kernel,
    target_blocks: Iterable[ArrayLike],  # (any rows, D) each
    part_blocks: Iterable[ArrayLike],  # (any rows, D) each
    scale: Scale = "root",
) -> LinearTimeMmd:
    """The MMD between the rows of two streams, whatever blocks they come in. Memory: a few blocks of `kernel.block_rows`.

    Reading ends with the shorter stream. Raises ShapeError for features of another width than the kernel's, NumericalError
    for NaN or fewer than 2 rows on a side.
    """
    # An even block: no pair lies across two.
    size = kernel.block_rows + kernel.block_rows % 2
    n_pairs, total, squares = 0, 0.0, 0.0
    target_rows = _cut("features of T", kernel, target_blocks, size)
    part_rows = _cut("features of the part", kernel, part_blocks, size)
    for x, y in zip(target_rows, part_rows, strict=False):
        pairs = min(len(x), len(y)) // 2
        h = _pair_values(kernel, x[: 2 * pairs], y[: 2 * pairs])
        n_pairs, total, squares = n_pairs + pairs, total + float(h.sum()), squares + float(np.vdot(h, h))
    if n_pairs == 0:
        raise NumericalError(
            "the linear-time MMD needs at least 2 rows on each side, found no pair on one. "
            "Raise `gate.min_rows_per_part`, or leave the part out."
        )
    squared = total / n_pairs
    spread = max(squares - n_pairs * squared**2, 0.0)
    error = math.sqrt(spread / (n_pairs - 1) / n_pairs) if n_pairs > 1 else None
    return LinearTimeMmd(float(scaled(np.asarray(squared), scale)), squared, error, n_pairs)


def _pair_values(kernel: Kernel, x: Floats, y: Floats) -> Floats:
    """(pairs,) values h."""
    (x0, x1), (y0, y1) = (x[0::2], x[1::2]), (y[0::2], y[1::2])
    return _between(kernel, x0, x1) + _between(kernel, y0, y1) - _between(kernel, x0, y1) - _between(kernel, x1, y0)


def _between(kernel: Kernel, x: Floats, y: Floats) -> Floats:
    """(pairs,) k(x_i, y_i)."""
    return kernel.values(((x - y) ** 2).sum(axis=1))


def _cut(name: str, kernel: Kernel, blocks: Iterable[ArrayLike], size: int) -> Iterator[Floats]:
    """The same rows, centred, in blocks of `size`; the last one is what is left, if anything is."""
    held: list[Floats] = []
    for block in blocks:
        rows = kernel.centred(floats(name, block, 2))
        for start in range(0, len(rows), size):
            held.append(rows[start : start + size])
            if sum(map(len, held)) >= size:
                whole = np.concatenate(held)
                yield whole[:size]
                held = [whole[size:]]
    if sum(map(len, held)):
        yield np.concatenate(held)
