"""Model deviation: change of kernel ridge regression on all rows when a contributor's rows are removed.

Lin, Xu, Wu, Ng, Low, Distributionally Robust Data Valuation, ICML 2024: a proxy of the worst-case generalisation error that
uses no validation set, here with a contributor in a row's place. Letters: N rows of all; S those of a contributor; Y
one-hot labels; k the kernel of `raw_ridge.py`; mu = 0.01, theirs.

    A = k + mu I,   alpha = A^-1 Y,   v(S) = |f_N - f_(N without S)|^2 = trace(d' k d)
    d = A^-1[:, S] (A^-1[S, S])^-1 alpha[S]

d is alpha less the solution without S, zeros in S's place (the inverse of a matrix without some rows), so one inverse serves
all contributors. Where there are more than `Budget.pooled_rows` rows, each contributor keeps the same share of its own.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from mixval.evidence.baselines.grouping import runs
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.raw_ridge import raw_kernels
from mixval.seeds import generator
from mixval.terms.arrays import Floats
from mixval.terms.ntk.target_metrics import one_hot

DAMPING = 0.01


def deviation(inputs: Inputs, seed: int) -> Floats:
    """(K,) squared distances between the two regressions, in the kernel's own norm."""
    (kernel, raw), labels = raw_kernels(inputs), inputs.labels().contributors
    share = min(1.0, inputs.budget.pooled_rows / sum(one.n_rows for one in inputs.contributors))
    kept = [
        np.sort(generator("baselines", "deviation", seed, one.name).permutation(one.n_rows)[: max(1, int(share * one.n_rows))])
        for one in inputs.contributors
    ]
    parts = [rows[chosen] for rows, chosen in zip(raw.contributors, kept, strict=True)]
    matrix = np.block([[kernel(x, y) for y in parts] for x in parts])
    responses = one_hot(np.concatenate([own[chosen] for own, chosen in zip(labels, kept, strict=True)]), inputs.n_classes)
    return deviations(matrix, responses, [len(chosen) for chosen in kept], DAMPING)


def deviations(matrix: Floats, responses: Floats, sizes: list[int], damping: float) -> Floats:
    """(K,) deviations from the kernel (N, N) and responses (N, C) of rows that stand by contributor."""
    damped = matrix + damping * np.eye(len(matrix))
    inverse = linalg.cho_solve(linalg.cho_factor(damped), np.eye(len(matrix)))
    alpha = inverse @ responses
    moved = []
    for own in runs(sizes):
        change = inverse[:, own] @ np.linalg.solve(inverse[own, own], alpha[own])
        moved.append(float((change * (matrix @ change)).sum()))
    return np.array(moved)
