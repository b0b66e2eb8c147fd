"""The Gram block of two sets of factors whose left sides are row numbers: embeddings, and heads with one true token.

Letters: n, m examples; U distinct row numbers; I columns of the weight. Gradients of two examples meet only in rows that
both touch, so for each row number v the k_v and l_v examples that touch it give a k_v x l_v block: sum_v k_v l_v I
multiply-adds in place of all n T m T' pairs of positions.
"""

import torch
from torch import Tensor

from mixval.terms.ntk.contribution import Factors


def add_shared_rows(theta: Tensor, a: Factors, b: Factors) -> None:
    """Add to theta (n, m) float64 the inner products over the rows of the weight that two examples both touch."""
    first = _touched(a)
    second = first if a is b else _touched(b)
    shared = sorted(set(first) & set(second))
    for row in shared:
        (i, x), (j, y) = first[row], second[row]
        # Examples are distinct within a row number, so no entry of theta is met twice in one addition.
        theta[i[:, None], j[None, :]] += (x @ y.T).double()


def _touched(factors: Factors) -> dict[int, tuple[Tensor, Tensor]]:
    """By row number v: the examples (k,) that touch it, in order, and each one's summed right sides (k, I)."""
    n, positions, width = factors.right.shape
    example = torch.arange(n, device=factors.left.device).repeat_interleave(positions)
    key = factors.left.reshape(-1) * n + example
    keys, group = torch.unique(key, return_inverse=True)
    summed = factors.right.new_zeros(len(keys), width).index_add_(0, group, factors.right.reshape(-1, width))
    rows, counts = torch.unique_consecutive(keys // n, return_counts=True)
    examples = torch.split(keys % n, counts.tolist())
    return dict(zip(rows.tolist(), zip(examples, torch.split(summed, counts.tolist()), strict=True), strict=True))
