"""Shapley values of contributors in a game whose utility is the similarity of gradients (after NESTLE, ICLR 2025 submission).

Letters: K contributors; g_i the sum of contributor i's loss gradients at the initial weights; t the target's mean gradient. A
coalition's gradient is the sum of its members', so that no coalition needs a training or another pass:

    u(C) = cos(sum of g_i over C, t),    u of nobody 0

The published text (openreview qk6AxjhFVR) gives gradient tracing, additivity and Shapley values; the cosine, sketched gradients
and the initial weights alone are ours. A member's marginal contributions are averaged over random orders and their reverses.
"""

from __future__ import annotations

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.seeds import generator
from mixval.terms.arrays import Floats

ORDERS = 1000
"""Orders, and as many reverses: at K = 40 errors of values are a hundredth of their spread."""


def gradient_shapley(inputs: Inputs, seed: int) -> Floats:
    """(K,) values; they sum to the cosine of all rows' gradient with the target's."""
    sketches = inputs.gradients("log-probability", seed)
    sums = np.stack([rows.sum(axis=0, dtype=np.float64) for rows in sketches.contributors])
    target = sketches.target.mean(axis=0, dtype=np.float64)
    random = generator("baselines", "gradient-shapley", seed)
    orders = np.stack([random.permutation(len(sums)) for _ in range(ORDERS)])
    return shapley_values(
        sums @ sums.T, sums @ target, float(np.linalg.norm(target)), np.concatenate([orders, orders[:, ::-1]])
    )


def shapley_values(
    products: Floats,  # (K, K) of g_i and g_j
    alignments: Floats,  # (K,) of g_i and t
    length: float,  # of t
    orders: np.ndarray,  # (P, K)
) -> Floats:  # (K,)
    """Marginal contributions in the mean over the orders."""
    total = np.zeros(len(alignments))
    for order in orders:
        squared = np.diagonal(np.cumsum(np.cumsum(products[np.ix_(order, order)], axis=0), axis=1))
        lengths = np.sqrt(np.maximum(squared, 0.0)) * length
        utilities = np.divide(np.cumsum(alignments[order]), lengths, out=np.zeros(len(order)), where=lengths > 0)
        total[order] += np.diff(utilities, prepend=0.0)
    values: Floats = total / len(orders)
    return values
