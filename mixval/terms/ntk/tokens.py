"""The Gram block of two sets of factors whose left sides are row numbers: embeddings, and heads with one true token.

Letters: n, m examples; U distinct row numbers; I columns of the weight. Gradients of two examples meet only in rows that
both touch, so for each row number v the k_v and l_v examples that touch it give a k_v x l_v block: sum_v k_v l_v I
multiply-adds in place of all n T m T' pairs of positions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mixval.terms.ntk.contribution import Factors

Run = tuple[int, Factors]
"""The number of the first example of some factors, and the factors."""


def add_shared_rows(theta: Tensor, a: Sequence[Run], b: Sequence[Run]) -> None:
    """Add to theta (n, m) float64 the inner products over the rows of the weight that two examples both touch.

    Memory: at most a copy of the factors.
    """
    first = _touched(a, theta.shape[0])
    second = first if a is b else _touched(b, theta.shape[1])
    shared = sorted(set(first) & set(second))
    for row in shared:
        (i, x), (j, y) = first[row], second[row]
        # Examples are distinct within a row number, so no entry of theta is met twice in one addition.
        theta[i[:, None], j[None, :]] += (x @ y.T).double()


def _touched(runs: Sequence[Run], n: int) -> dict[int, tuple[Tensor, Tensor]]:
    """By row number v: the examples (k,) that touch it, in order, and each one's summed right sides (k, I)."""
    keys, group = torch.unique(torch.cat([_keys(use, start, n) for start, use in runs]), return_inverse=True)
    width, at = runs[0][1].right.shape[2], 0
    summed = runs[0][1].right.new_zeros(len(keys), width)
    for _, use in runs:
        right = use.right.reshape(-1, width)
        summed.index_add_(0, group[at : at + len(right)], right)
        at += len(right)
    rows, counts = torch.unique_consecutive(keys // n, return_counts=True)
    examples = torch.split(keys % n, counts.tolist())
    return dict(zip(rows.tolist(), zip(examples, torch.split(summed, counts.tolist()), strict=True), strict=True))


def _keys(use: Factors, start: int, n: int) -> Tensor:
    """(B T,) row number times n, plus the example."""
    example = torch.arange(start, start + len(use.left), device=use.left.device).repeat_interleave(use.left.shape[1])
    return use.left.reshape(-1) * n + example
