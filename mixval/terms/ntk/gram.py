"""Gram blocks of the empirical neural tangent kernel, Theta[i, j] = <g_i, g_j> over the chosen parameters.

Letters: n, m examples of two slices; T positions; a weight of O x I. Products are formed in the slices' own precision, over
at most 2^16 coordinates at a time, and added up in float64 over coordinates and weights; float64 slices are float64
throughout. For factors, with exact routes of the same result:

    ids and ids      sum over shared row numbers v of <sum_t right_i, sum_t right_j>           (matching pairs only)
    paired           sum_{t, s} <left_it, left_js> <right_it, right_js>                        n m T T' (O + I) multiply-adds
    formed           gradients, a few rows of the weight at a time, then an ordinary product   (n T + m T') O I + n m O I

The cheaper of the last two is taken. Temporary memory stays near `block_bytes`, except for the (n, m) result itself.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from mixval.errors import ShapeError
from mixval.terms.ntk.contribution import Factors
from mixval.terms.ntk.slice import GradientSlice, WeightGradients
from mixval.terms.ntk.tokens import add_shared_rows

TILE = 64
"""Rows of the result formed at a time: few enough that a symmetric block costs little more than half of a whole one."""
MOST_COORDINATES = 2**16
"""Gradient coordinates summed in the slices' own precision before float64 takes over."""


def gram_block(rows: GradientSlice, cols: GradientSlice, block_bytes: int = 2**27) -> Tensor:
    """(n, m) float64 inner products of the gradients of two slices. Exactly symmetric when both are one object.

    Raises ShapeError when the slices are not over the same parameters.
    """
    sides = [{name: weight.shape for name, weight in part.weights.items()} for part in (rows, cols)]
    if sides[0] != sides[1]:
        odd = sorted(set(sides[0].items()) ^ set(sides[1].items()))[:4]
        raise ShapeError(f"gradient slices must be over the same parameters; they differ in {odd}. Capture both anew.")
    theta = torch.zeros(rows.n, cols.n, dtype=torch.float64, device=rows.outputs.device)
    is_symmetric = rows is cols
    for name in sorted(rows.weights):
        _add_weight(theta, rows.weights[name], cols.weights[name], is_symmetric, block_bytes)
    return theta.triu() + theta.triu(1).T if is_symmetric else theta


def _add_weight(theta: Tensor, a: WeightGradients, b: WeightGradients, is_symmetric: bool, block_bytes: int) -> None:
    if (a.values is None and not a.uses) or (b.values is None and not b.uses):
        return
    if a.values is None and b.values is None and _pairing_is_cheaper(a, b, theta.shape):
        for i, left in enumerate(a.uses):
            for j, right in enumerate(b.uses):
                # A cross term of two uses is not symmetric by itself: only uses with themselves are cut to a triangle.
                _add_paired(theta, left, right, is_symmetric and i == j, block_bytes)
        return
    _add_formed(theta, a, b, is_symmetric, block_bytes)


def _pairing_is_cheaper(a: WeightGradients, b: WeightGradients, size: tuple[int, ...]) -> bool:
    """Whether pairing positions takes fewer multiply-adds than forming gradients."""
    n, m = size[0], size[1]
    area, share = a.shape[0] * a.shape[1], 0.5 if a is b else 1.0  # of a symmetric block half is computed
    paired = sum(n * m * share * _pair_cost(u, v) for u in a.uses for v in b.uses)
    formed = sum(k * share * u.right.shape[1] * area for k, w in ((n, a), (m, b)) for u in w.uses)
    return paired < formed + n * m * share * area


def _pair_cost(u: Factors, v: Factors) -> int:
    if u.has_ids and v.has_ids:
        return min(u.right.shape[1], v.right.shape[1]) * u.right.shape[2]
    inner = u.right.shape[2] + (1 if u.has_ids or v.has_ids else u.left.shape[2])
    return u.right.shape[1] * v.right.shape[1] * inner


def _add_formed(theta: Tensor, a: WeightGradients, b: WeightGradients, is_symmetric: bool, block_bytes: int) -> None:
    """Form gradients for as many rows of the weight as fit, multiply, go on."""
    (rows, columns), (n, m) = a.shape, theta.shape
    fits = block_bytes // ((n + m) * columns * 8)
    step = max(1, min(fits, MOST_COORDINATES // columns))
    for low in range(0, rows, step):
        high = min(low + step, rows)
        left = a.matrices(low, high)
        right = left if a is b else b.matrices(low, high)
        for start in range(0, n, TILE):
            tile, first = slice(start, start + TILE), start if is_symmetric else 0
            theta[tile, first:] += (left[tile] @ right[first:].T).double()


def _add_paired(theta: Tensor, a: Factors, b: Factors, is_symmetric: bool, block_bytes: int) -> None:
    """Sum over pairs of positions, tile by tile."""
    if a.has_ids and b.has_ids:
        add_shared_rows(theta, a, b)
        return
    for rows, cols in _tiles(theta.shape, a, b, is_symmetric, block_bytes):
        theta[rows, cols] += _paired(_cut(a, rows), _cut(b, cols))


def _paired(a: Factors, b: Factors) -> Tensor:
    """(n, m) float64: sum over t, s of <left_it, left_js> <right_it, right_js>."""
    n, t, width = a.right.shape
    m, s, _ = b.right.shape
    inner = a.right.reshape(n * t, width) @ b.right.reshape(m * s, width).T
    if a.has_ids:
        inner *= b.left.reshape(m * s, -1)[:, a.left.reshape(-1)].T
    elif b.has_ids:
        inner *= a.left.reshape(n * t, -1)[:, b.left.reshape(-1)]
    else:
        inner *= a.left.reshape(n * t, -1) @ b.left.reshape(m * s, -1).T
    if t == s == 1:
        return inner.double()
    return inner.view(n, t, m, s).sum((1, 3), dtype=torch.float64)


def _tiles(size: torch.Size, a: Factors, b: Factors, is_symmetric: bool, block_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Tiles of the result whose position pairs fit `block_bytes`; of a symmetric one, only those that reach the diagonal."""
    pairs = max(1, block_bytes // (3 * a.right.element_size() * a.right.shape[1] * b.right.shape[1]))
    side = max(1, min(TILE, int(pairs**0.5)))
    for top in range(0, size[0], side):
        for start in range(top if is_symmetric else 0, size[1], side):
            yield slice(top, min(top + side, size[0])), slice(start, min(start + side, size[1]))


def _cut(factors: Factors, rows: slice) -> Factors:
    return Factors(factors.left[rows], factors.right[rows])
