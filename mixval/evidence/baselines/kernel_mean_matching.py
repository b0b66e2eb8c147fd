"""Convex dataset valuation: weights of contributors' mean gradients that match the target's (Zeng et al., arXiv 2605.16704).

    min over b of  b'K b / 2 - c'b + lambda |b|_1,    K[i, j] = <a_i, a_j>,  c[i] = <a_i, t>

a_i and t are mean loss gradients of contributor i and of T at the initial weights, here sketched and of length 1, so that the
published lambda of 0.01 means the same for every backbone. Weights may be negative, as in the authors' code; those that the
penalty sets to 0 tie. Solved by coordinate descent, which converges for any K (Tseng 2001).
"""

from __future__ import annotations

import numpy as np

from mixval.errors import NumericalError
from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats

PENALTY = 0.01
MOST_SWEEPS = 100_000
TOLERANCE = 1e-10
"""Largest change of a weight in the last sweep."""


def kernel_mean_matching(inputs: Inputs, seed: int) -> Floats:
    """(K,) weights b."""
    sketches = inputs.gradients("log-probability", seed)
    own = np.stack([_direction(rows) for rows in sketches.contributors])
    return matching_weights(own @ own.T, own @ _direction(sketches.target), PENALTY)


def matching_weights(kernel: Floats, alignment: Floats, penalty: float) -> Floats:
    """(K,) minimiser for K (K, K) and c (K,). Raises NumericalError where the sweeps do not converge."""
    weights = np.zeros(len(alignment))
    missing = alignment.copy()  # c - K b
    for _ in range(MOST_SWEEPS):
        largest = 0.0
        for i in np.flatnonzero(np.diagonal(kernel) > 0):
            pull = missing[i] + kernel[i, i] * weights[i]
            moved = np.sign(pull) * max(abs(pull) - penalty, 0.0) / kernel[i, i] - weights[i]
            weights[i] += moved
            missing -= kernel[:, i] * moved
            largest = max(largest, abs(moved))
        if largest <= TOLERANCE:
            return weights
    raise NumericalError(
        f"kernel mean matching: expected weights that settle within {MOST_SWEEPS} sweeps, the last one still moved them by "
        f"{largest:g}. Contributors' gradients are almost copies of each other: raise the penalty."
    )


def _direction(rows: Floats) -> Floats:
    mean: Floats = rows.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 0 else mean
