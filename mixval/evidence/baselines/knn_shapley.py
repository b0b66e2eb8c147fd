"""Exact Shapley values of rows for a vote of k nearest neighbours (Jia et al., VLDB 2019, Theorem 1), summed by contributor.

Letters: N rows of all contributors together; M of T; k neighbours. A set's utility for a row of T is the share of its k
nearest that have the right label, 1/k of their number where the set is smaller. With rows in order of distance and a_i whether
the i-th has the right label,

    s_N = a_N min(k, N) / (N k),    s_i = s_(i+1) + (a_i - a_(i+1)) min(k, i) / (i k)

Values of rows add up, and their sums over T's rows average.
"""

from __future__ import annotations

import numpy as np

from mixval.evidence.baselines.grouping import by_contributor
from mixval.evidence.baselines.inputs import Inputs, Labels
from mixval.evidence.baselines.nearest_neighbours import NEIGHBOURS, nearest_first
from mixval.terms.arrays import Floats

BLOCK_ROWS = 64
"""Rows of T at a time: three arrays of that many times N."""


def knn_shapley(inputs: Inputs, _: int) -> Floats:
    """(K,) sums of the values of a contributor's rows, in a market of all contributors' rows."""
    passes, labels = inputs.passes(), inputs.labels()
    features = np.concatenate([one.features for one in passes.contributors])
    values = row_values(features, np.concatenate(labels.contributors), passes.target.features, labels.target, NEIGHBOURS)
    return by_contributor(values, [one.n_rows for one in inputs.contributors])


def row_values(
    features: Floats,  # (N, D)
    labels: Labels,  # (N,)
    of_target: Floats,  # (M, D)
    target_labels: Labels,  # (M,)
    k: int,
) -> Floats:  # (N,)
    """The Shapley value of each row, averaged over T; they sum to the mean utility of all rows."""
    N = len(features)
    ranks = np.arange(1, N + 1)
    shares = np.minimum(k, ranks) / (ranks * k)
    total = np.zeros(N)
    for low in range(0, len(of_target), BLOCK_ROWS):
        block = slice(low, low + BLOCK_ROWS)
        order = nearest_first(features, of_target[block])
        is_right = (labels[order] == target_labels[block, None]).astype(np.float64)
        steps = is_right * shares
        steps[:, :-1] -= is_right[:, 1:] * shares[:-1]
        ranked = steps[:, ::-1].cumsum(axis=1)[:, ::-1]
        np.add.at(total, order, ranked)
    return total / len(of_target)
