"""Permutation test of the hypothesis that a part and T have one distribution, by the unbiased MMD^2 (Gretton et al., JMLR 13,
2012, section 5).

Letters: M rows of T, N of the part, n = M + N pooled; P permutations. K is the pooled kernel matrix without its diagonal, r its
row sums. An assignment e in {-1, +1}^n, +1 for the N rows assigned to the part, gives every sum of the estimate:

    ss + tt - 2 ts = e'Ke,    ss - tt = r'e,    ss + tt + 2 ts = 1'K1        (ts counted once, ss and tt over i != j)

so P statistics are one product of K with P assignments, block by block. p = (1 + #{permuted >= observed}) / (1 + P): the
observed assignment is one of the draws, and p is never 0 (Phipson and Smyth, SAGMB 9, 2010). All arithmetic is float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixval.errors import NumericalError, ShapeError
from mixval.seeds import generator
from mixval.terms.arrays import ArrayLike, Floats, floats
from mixval.terms.discrepancy.kernel import Combine, Kernel, make_kernel

ASSIGNMENTS_AT_ONCE = 256
"""Assignments that a block of the matrix is multiplied with at a time, as float64."""
ROUNDING = 1e-12
"""Of MMD^2, relative to k(x, x): statistics closer than this count as equal, as they are when equal rows are exchanged."""


@dataclass(frozen=True)
class PermutationTest:
    """Evidence against the part and T having one distribution."""

    p_value: float
    """In [1 / (1 + P), 1]; small when they differ."""
    squared: float
    """The unbiased MMD^2 that was tested, in kernel units."""
    n_permutations: int
    n: int
    """Rows of the part."""
    m: int
    """Rows of T."""


def permutation_test(
    target: ArrayLike,  # (M, D)
    part: ArrayLike,  # (N, D)
    bandwidths: Sequence[float],
    combine: Combine = "mean",
    n_permutations: int = 999,
    seed: int = 0,
    block_rows: int = 512,
) -> PermutationTest:
    """The p-value of the part's unbiased MMD^2, the same for the same rows, seed and blocks.

    Exact for independent rows and bandwidths that do not depend on which rows are T's; a part with copies of its own rows gets
    too small a p. Cost: (M + N)^2 kernel values and as many times P products; memory: block_rows x (M + N) kernel values and
    P x (M + N) bytes. Raises NumericalError for fewer than 2 rows on a side, no permutations, NaN or bad bandwidths, and
    ShapeError when the two sets' columns differ.
    """
    x, y = floats("features of T", target, 2), floats("features of the part", part, 2)
    if x.shape[1] != y.shape[1]:
        raise ShapeError(f"expected features with {x.shape[1]} columns, as T has, found {y.shape[1]}.")
    if min(len(x), len(y)) < 2 or n_permutations < 1:
        raise NumericalError(
            f"a permutation test needs at least 2 rows on each side and 1 permutation, found M={len(x)}, N={len(y)} and "
            f"{n_permutations}. Raise `gate.min_rows_per_part`, or leave the part out."
        )
    pooled = np.concatenate([x, y])
    kernel = make_kernel(pooled, bandwidths, combine, block_rows)
    statistics = _statistics(kernel, kernel.centred(pooled), _assignments(len(x), len(y), n_permutations, seed), len(y))
    observed, permuted = statistics[0], statistics[1:]
    reached = int((permuted >= observed - ROUNDING * kernel.at_zero).sum())
    return PermutationTest((1 + reached) / (1 + n_permutations), float(observed), n_permutations, len(y), len(x))


def _assignments(m: int, n: int, n_permutations: int, seed: int) -> np.ndarray:
    """(1 + P, m + n) int8, +1 for rows assigned to the part: first the observed assignment, then permuted ones."""
    assignments = np.tile(np.repeat(np.array([-1, 1], dtype=np.int8), [m, n]), (1 + n_permutations, 1))
    draws = generator("mmd-permutations", seed)
    for permuted in assignments[1:]:
        draws.shuffle(permuted)
    return assignments


def _statistics(kernel: Kernel, pooled: Floats, assignments: np.ndarray, n: int) -> Floats:
    """(1 + P,) unbiased MMD^2 of each assignment; the pooled kernel matrix is formed once."""
    m = len(pooled) - n
    total, quadratic, difference = 0.0, np.zeros(len(assignments)), np.zeros(len(assignments))
    for start in range(0, len(pooled), kernel.block_rows):
        block = slice(start, min(start + kernel.block_rows, len(pooled)))
        values = kernel.matrix(pooled[block], pooled)
        values[np.arange(block.stop - start), np.arange(start, block.stop)] = 0.0
        row_sums = values.sum(axis=1)
        total += float(row_sums.sum())
        for first in range(0, len(assignments), ASSIGNMENTS_AT_ONCE):
            chosen = slice(first, first + ASSIGNMENTS_AT_ONCE)
            signs = assignments[chosen].astype(np.float64)
            quadratic[chosen] += ((signs[:, block] @ values) * signs).sum(axis=1)
            difference[chosen] += signs[:, block] @ row_sums
    across = (total - quadratic) / 4
    both = (total + quadratic) / 2
    within_part, within_target = (both + difference) / 2, (both - difference) / 2
    return np.asarray(within_part / (n * (n - 1)) + within_target / (m * (m - 1)) - 2 * across / (m * n))
