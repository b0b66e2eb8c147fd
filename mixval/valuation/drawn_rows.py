"""What a random share of some rows gives in ridge regression, from sums over all of them: in the mean over draws.

Letters: i a row of a part with features x_i, of whose rows a share f < 1 is drawn, each by itself; m rows of T; C responses;
Q = (sum of u_i x_i x_i' + lambda I)^-1; l_i = x_i' Q x_i; g_i = l_i / (1 - u_i l_i), the same without the row in Q.

    mean of (sum over drawn rows of x_i x_i' + lambda I)^-1 = Q, nearly,      u_i = f / (1 + (1 - f) g_i)

A row that is drawn is fitted more closely than one that is counted f times: the noise in its response passes into the outputs
and does not average out. That costs as a higher lambda does, u below f, and it scatters the outputs of single draws: to first
order a row moves them by

    Phi_T Q x_i z_i / (1 - u_i l_i + l_i),        z_i = e_i / (1 - u_i l_i)

times its draw less f, e_i being its residual and z_i that of the regression without it, which scatters in its turn: if K is the
sum over rows of f (1 - f) (1 - u_i l_i + l_i)^-2 times the mean square of Phi_T Q x_i, variances are 1 / (1 - K) times those
with these z_i. A value that is not linear in outputs is the mean over outputs that scatter so.

The first is the deterministic equivalent of a resolvent (Couillet and Liao, Random Matrix Methods for Machine Learning, 2022;
of subsamples: Patil and Du, arXiv 2305.18496), row by row by Sherman and Morrison's formula; the second is Hajek's projection.
u is one for all rows of a part, their mean; in K T's rows stand for those that are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixval.terms.arrays import Floats
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import Reach

DRAWS = 8
"""Outputs over which a value is averaged."""
SEED = 20511
"""Of their numbers: the same for all mixtures, so that what two share cancels."""


MOST_PASSED_ON = 0.9
"""The largest K: at 1 rows would be interpolated, and variances infinite."""


@dataclass(frozen=True)
class DrawnEffects:
    """What drawing does to outputs on T by the rows of a part that are looked at."""

    outputs: Floats
    """(m, u): Phi_T Q x_i."""
    residuals: Floats
    """(u, C): z_i."""
    sizes: Floats
    """(u,) standard deviations of what multiplies both."""
    lengths: Floats
    """(u,) |Q x_i|^2."""


def equivalent_weight(share: float, weight: float, leverages: Floats) -> float:  # (u,) l
    """The weight with which all of a part's rows stand for this share of them, from leverages at the weight before."""
    if share >= 1:
        return share
    without = leverages / np.clip(1 - weight * leverages, 1e-9, None)
    return float(np.mean(share / (1 + (1 - share) * without)))


def drawn_effects(share: float, weight: float, reach: Reach, stand_for: Floats) -> DrawnEffects:
    """Of a part; `stand_for` (u,) are roots of how many rows each that is looked at stands for."""
    free = np.clip(1 - weight * reach.leverages, 1e-9, None)
    sizes = math.sqrt(max(share * (1 - share), 0.0)) * stand_for / (free + reach.leverages)
    return DrawnEffects(reach.outputs, reach.residuals / free[:, None], sizes, reach.sizes)


def inflation(effects: Sequence[DrawnEffects]) -> float:
    """1 / (1 - K)."""
    passed_on = sum(float((one.outputs**2).mean(axis=0) @ one.sizes**2) for one in effects)
    return 1 / (1 - min(passed_on, MOST_PASSED_ON))


def mean_over_draws(outputs: Floats, effects: Sequence[DrawnEffects], objective: TargetObjective) -> float:  # (m, C)
    """The mean value of outputs that scatter about these; the value itself where it is linear in them."""
    if objective.labels is None:
        return objective.value(outputs)
    drawn, scale, values = np.random.default_rng(SEED), math.sqrt(inflation(effects)), list[float]()
    for _ in range(DRAWS // 2):
        shift = np.zeros_like(outputs)
        for one in effects:
            numbers = scale * one.sizes * drawn.standard_normal(len(one.sizes))
            shift += one.outputs @ (one.residuals * numbers[:, None])
        values += [objective.value(outputs + shift), objective.value(outputs - shift)]
    return float(np.mean(values))


def mean_length(displacement: float, effects: Sequence[DrawnEffects]) -> float:
    """The root of the mean squared displacement over draws."""
    added = sum(float(one.lengths @ ((one.residuals**2).sum(axis=1) * one.sizes**2)) for one in effects)
    return math.sqrt(displacement**2 + inflation(effects) * added)
