"""Nearest neighbours of T's rows among a contributor's, in frozen features: a vote of k (Cover and Hart 1967)."""

from __future__ import annotations

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.supervised import Metric, values_on_target
from mixval.terms.arrays import Floats

NEIGHBOURS = 5
BLOCK_ROWS = 512
"""Rows of T whose distances are in memory at a time."""


def nearest_neighbours(inputs: Inputs, metric: Metric) -> Floats:
    """(K,) accuracies on T of a vote of five, or minus cross-entropies of its shares, in nats."""
    passes, labels = inputs.passes(), inputs.labels()

    def predict(k: int) -> tuple[Floats, float]:
        own = np.eye(inputs.n_classes)[labels.contributors[k]]
        n = min(NEIGHBOURS, len(own))
        order = nearest_first(passes.contributors[k].features, passes.target.features, n)
        return own[order].mean(axis=1), n

    return values_on_target(inputs, predict, metric)


def nearest_first(
    rows: Floats,  # (N, D)
    of_target: Floats,  # (M, D)
    n: int | None = None,
) -> np.ndarray:  # (M, n) int64
    """Positions of each target row's nearest rows, the nearest first, all without `n`; of equal ones the first first."""
    centre = of_target.mean(axis=0)
    x, t = rows - centre, of_target - centre
    norms = (x**2).sum(axis=1)
    blocks = [np.argsort(norms - 2 * (t[low : low + BLOCK_ROWS] @ x.T), axis=1, kind="stable")[:, :n] for low in _starts(t)]
    return np.concatenate(blocks)


def _starts(rows: Floats) -> range:
    return range(0, len(rows), BLOCK_ROWS)
