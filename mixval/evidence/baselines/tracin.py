"""TracIn: products of a row's loss gradient and the target's, summed over checkpoints (Pruthi et al., NeurIPS 2020).

A contributor has the sum over its rows of the product with T's mean gradient. Gradients are sketched, which keeps products in
the mean (`mixval/terms/ntk/sketch.py`); sums of gradients come first, so no row meets a row.
"""

from __future__ import annotations

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats


def tracin(inputs: Inputs, seed: int) -> Floats:
    """(K,) at the checkpoints of one training on all contributors' rows, each of the same weight."""
    places = range(len(inputs.checkpoints(seed)))
    total: Floats = np.stack([products(inputs, seed, place) for place in places]).sum(axis=0)
    return total


def tracin_initial(inputs: Inputs, seed: int) -> Floats:
    """(K,) at the initial weights, without any training."""
    return products(inputs, seed, None)


def products(inputs: Inputs, seed: int, checkpoint: int | None) -> Floats:
    """(K,) sums over rows. A gradient of log p is minus that of the loss, and so is the target's: their product is the same."""
    sketches = inputs.gradients("log-probability", seed, checkpoint)
    mean = sketches.target.mean(axis=0, dtype=np.float64)
    return np.array([rows.sum(axis=0, dtype=np.float64) @ mean for rows in sketches.contributors])
