"""Agreement between trainings of the same contributors, and reliability of their mean.

Letters: S seeds, K contributors. With r the mean Spearman correlation over pairs of seeds,

    reliability of the mean of S seeds   R = S r / (1 + (S - 1) r)              (Spearman 1910; Brown 1910)
    ceiling of a ranking that knows the expected truth exactly   sqrt(R)        (attenuation, Spearman 1904)

No ranking can be expected to agree with the mean over seeds better than sqrt(R). Both are statements about correlations and
hold for ranks approximately.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from mixval.errors import ShapeError


@dataclass(frozen=True)
class SeedAgreement:
    """Agreement between seeds. NaN where truth does not vary or there is one seed."""

    mean_pairwise: float
    """Mean Spearman correlation over pairs of seeds, r."""
    reliability: float
    """Expected correlation of the mean over these S seeds with that over S others, R."""
    ceiling: float
    """Expected correlation of the mean over S seeds with the mean over all, sqrt(R)."""
    n_seeds: int


def seed_agreement(metrics: np.ndarray) -> SeedAgreement:  # (S, K)
    """Agreement of S seeds over K contributors. Raises ShapeError for less than two contributors or not finite metrics."""
    if metrics.ndim != 2 or metrics.shape[1] < 2 or not np.isfinite(metrics).all():
        raise ShapeError(
            f"metrics must be finite, (S, K) with K of at least 2; found shape {metrics.shape}. Correct the truth."
        )
    S = len(metrics)
    ranks = rankdata(metrics, axis=1)
    pairs = [_correlation(ranks[a], ranks[b]) for a, b in combinations(range(S), 2)]
    r = float(np.mean(pairs)) if pairs else float("nan")
    reliability = S * r / (1 + (S - 1) * r) if r > -1 / max(S - 1, 1) else float("nan")
    return SeedAgreement(r, reliability, float(np.sqrt(max(reliability, 0.0))), S)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else float("nan")
