"""TRAK: effect of a row on the target's margins in a model linearised at trained weights (Park et al., ICML 2023).

Letters: N rows of all contributors together; q features; Phi (N, q) sketched gradients of the margin log(p / (1 - p)) at a
checkpoint, phi_T their mean over T; Q (N,) one minus the probability of the own label.

    score_i = Q_i phi_i' (Phi'Phi + lambda I)^-1 phi_T,    both factors averaged over checkpoints first

A contributor has the sum over its rows. The paper's random projection is the sketch of `mixval/terms/ntk/sketch.py`; lambda is
0.001 of the mean of Phi'Phi's diagonal, for worlds with fewer rows than features. Checkpoints are those of one training, where
the paper trains several models.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from mixval.evidence.baselines import forward_pass
from mixval.evidence.baselines.grouping import by_contributor
from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats

DAMPING = 1e-3


def trak(inputs: Inputs, seed: int) -> Floats:
    """(K,) sums of row scores against T's mean margin."""
    scores: list[Floats] = []
    residuals: list[Floats] = []
    for place, backbone in enumerate(inputs.checkpoints(seed)):
        sketches = inputs.gradients("margin", seed, place)
        features = np.concatenate(sketches.contributors).astype(np.float64)
        scores.append(row_scores(features, sketches.target.mean(axis=0, dtype=np.float64)))
        tables = [one.table for one in inputs.contributors]
        passes = [forward_pass.run(backbone, table, inputs.budget.batch_rows) for table in tables]
        residuals.append(1 - np.concatenate([one.probabilities for one in passes]))
    rows = np.mean(scores, axis=0) * np.mean(residuals, axis=0)
    return by_contributor(rows, [one.n_rows for one in inputs.contributors])


def row_scores(
    features: Floats,  # (N, q)
    of_target: Floats,  # (q,)
) -> Floats:  # (N,)
    """Phi (Phi'Phi + lambda I)^-1 phi_T."""
    gram = features.T @ features
    gram[np.diag_indices_from(gram)] += DAMPING * float(np.trace(gram)) / len(gram)
    return np.asarray(features @ linalg.solve(gram, of_target, assume_a="pos"))
