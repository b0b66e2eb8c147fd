"""Gram blocks of the empirical neural tangent kernel, Theta[i, j] = <g_i, g_j> over the chosen parameters.

Letters: n, m examples of two slices; T positions; a weight of O x I. Products are formed in the slices' own precision, over
at most 2^16 coordinates at a time, and added up in float64 over coordinates and weights; float64 slices are float64
throughout. For factors, with exact routes of the same result:

    ids and ids      sum over shared row numbers v of <sum_t right_i, sum_t right_j>           (matching pairs only)
    paired           sum_{t, s} <left_it, left_js> <right_it, right_js>                        n m T T' ((O + I) a + b)
    formed           gradients, a few rows of the weight at a time, then an ordinary product   ((n T + m T') c + n m a) O I

The cheaper of the last two is taken, weight by weight, by nanoseconds measured on one core of a CPU in float32: a = 0.022 a
multiply-add of a large product, c = 0.03 one of the small products that form gradients, b = 0.5 multiplying and summing one
pair of positions. Temporary memory stays near `block_bytes`, and one row of the weight for all examples at least.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from mixval.errors import ShapeError
from mixval.terms.ntk.contribution import Factors
from mixval.terms.ntk.slice import GradientSlice, WeightGradients
from mixval.terms.ntk.tokens import Run, add_shared_rows

TILE = 64
"""Rows of the result formed at a time: few enough that a symmetric block costs little more than half of a whole one."""
MOST_COORDINATES = 2**16
"""Gradient coordinates summed in the slices' own precision before float64 takes over."""
BLOCK_BYTES = 2**27
NANOSECONDS_A_PRODUCT, NANOSECONDS_A_FORMED, NANOSECONDS_A_PAIR = 0.022, 0.03, 0.5
"""a, c and b of the cost model."""


def gram_block(rows: GradientSlice, cols: GradientSlice, block_bytes: int = BLOCK_BYTES) -> Tensor:
    """(n, m) float64 inner products of the gradients of two slices. Exactly symmetric when both are one object.

    Raises ShapeError when the slices are not over the same parameters.
    """
    theta = torch.zeros(rows.n, cols.n, dtype=torch.float64, device=rows.outputs.device)
    add_gram(theta, rows, cols, block_bytes)
    if rows is cols:
        mirror(theta)
    return theta


def add_gram(theta: Tensor, rows: GradientSlice, cols: GradientSlice, block_bytes: int = BLOCK_BYTES) -> None:
    """Add the Gram block of two slices to theta (n, m) float64; when both are one object, on and above the diagonal at least.

    Raises ShapeError when the slices are not over the same parameters.
    """
    sides = [{name: weight.shape for name, weight in part.weights.items()} for part in (rows, cols)]
    if sides[0] != sides[1]:
        odd = sorted(set(sides[0].items()) ^ set(sides[1].items()))[:4]
        raise ShapeError(f"gradient slices must be over the same parameters; they differ in {odd}. Capture both anew.")
    for name in sorted(rows.weights):
        a, b = rows.weights[name], cols.weights[name]
        if not (a.is_zero or b.is_zero):
            _add_weight(theta, a, a if rows is cols else b, block_bytes)


def mirror(theta: Tensor) -> None:
    """Copy what stands above the diagonal of theta (n, n) to below it, in place."""
    n = len(theta)
    for low in range(0, n, TILE):
        high = min(low + TILE, n)
        theta[high:, low:high] = theta[low:high, high:].T
        corner = theta[low:high, low:high]
        corner.copy_(corner.triu() + corner.triu(1).T)


def _add_weight(theta: Tensor, a: WeightGradients, b: WeightGradients, block_bytes: int) -> None:
    if a.has_only_factors and b.has_only_factors:
        uses = [*a.uses, *b.uses]
        if all(use.has_ids for use in uses):
            runs = _factor_runs(a)
            add_shared_rows(theta, runs, runs if a is b else _factor_runs(b))
            return
        if pairing_is_cheaper(a, b):
            _add_paired(theta, a, b, block_bytes)
            return
    _add_formed(theta, a, b, block_bytes)


def pairing_is_cheaper(a: WeightGradients, b: WeightGradients) -> bool:
    """Whether pairing positions takes less time than forming gradients, by the cost model above."""
    rows, columns = a.shape
    share = 0.5 if a is b else 1.0  # of a symmetric block half is computed
    uses = (*a.uses, *b.uses)
    width = columns + min(1 if use.has_ids else use.left.shape[2] for use in uses)
    paired = a.positions * b.positions * share * (width * NANOSECONDS_A_PRODUCT + NANOSECONDS_A_PAIR)
    formed = (a.positions + b.positions) * share * NANOSECONDS_A_FORMED + a.n * b.n * share * NANOSECONDS_A_PRODUCT
    return paired < formed * rows * columns


def _add_formed(theta: Tensor, a: WeightGradients, b: WeightGradients, block_bytes: int) -> None:
    """Form gradients for as many rows of the weight as fit, multiply, go on."""
    (rows, columns), (n, m) = a.shape, theta.shape
    fits = block_bytes // ((n if a is b else n + m) * columns * 8)
    step = max(1, min(fits, MOST_COORDINATES // columns))
    for low in range(0, rows, step):
        high = min(low + step, rows)
        left = a.matrices(low, high)
        right = left if a is b else b.matrices(low, high)
        for start in range(0, n, TILE):
            tile, first = slice(start, start + TILE), start if a is b else 0
            theta[tile, first:] += (left[tile] @ right[first:].T).double()


def _add_paired(theta: Tensor, a: WeightGradients, b: WeightGradients, block_bytes: int) -> None:
    """Sum over pairs of positions, tile by tile. Of a symmetric block, only tiles that reach the diagonal."""
    for top, left in _factor_runs(a):
        for start, right in _factor_runs(b):
            for rows, cols in _tiles(left, right, block_bytes):
                below = slice(top + rows.start, top + rows.stop)
                across = slice(start + cols.start, start + cols.stop)
                if a is not b or across.stop > below.start:
                    theta[below, across] += _paired(_cut(left, rows), _cut(right, cols))


def _paired(a: Factors, b: Factors) -> Tensor:
    """(n, m) float64: sum over t, s of <left_it, left_js> <right_it, right_js>."""
    n, t, width = a.right.shape
    m, s, _ = b.right.shape
    inner = a.right.reshape(n * t, width) @ b.right.reshape(m * s, width).T
    if a.has_ids and b.has_ids:
        inner *= a.left.reshape(n * t, 1) == b.left.reshape(1, m * s)
    elif a.has_ids:
        inner *= b.left.reshape(m * s, -1)[:, a.left.reshape(-1)].T
    elif b.has_ids:
        inner *= a.left.reshape(n * t, -1)[:, b.left.reshape(-1)]
    else:
        inner *= a.left.reshape(n * t, -1) @ b.left.reshape(m * s, -1).T
    if t == s == 1:
        return inner.double()
    # Over the positions of one example in its own precision, which is twice as fast as in float64 from the start.
    return inner.view(n, t, m, s).sum(3).sum(1, dtype=torch.float64)


def _factor_runs(weight: WeightGradients) -> list[Run]:
    """Factors with the first row of the slice that they hold."""
    return [(rows.start, use) for rows, batch in weight.runs() if isinstance(batch, tuple) for use in batch]


def _tiles(a: Factors, b: Factors, block_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Tiles of the result of two sets of factors, such that their position pairs fit `block_bytes`."""
    pairs = max(1, block_bytes // (3 * a.right.element_size() * a.right.shape[1] * b.right.shape[1]))
    side = max(1, min(TILE, int(pairs**0.5)))
    for top in range(0, len(a.right), side):
        for start in range(0, len(b.right), side):
            yield slice(top, min(top + side, len(a.right))), slice(start, min(start + side, len(b.right)))


def _cut(factors: Factors, rows: slice) -> Factors:
    return Factors(factors.left[rows], factors.right[rows])
