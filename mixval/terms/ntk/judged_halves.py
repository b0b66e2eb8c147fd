"""Values of half-samples of S: what regression on half of its rows is worth on T (`judge.py`).

Letters: n rows of S; m rows of T; C responses; R replicates. Each replicate has its own lambda and is judged by the whole T;
what T's finite number of rows leaves is told apart by `Judge.half_values`, without another regression, since the two
kinds of deviations add up to first order and stand on different scales where S has fewer rows here than in all.

Cost: R factorisations of (n / 2, n / 2) and products of (m, n / 2) by (n / 2, C).
"""

from dataclasses import dataclass

import numpy as np

from mixval.errors import ShapeError
from mixval.terms.arrays import ArrayLike, Floats, floats, row_masks
from mixval.terms.ntk.damped import energy_norm, solved
from mixval.terms.ntk.judge import Judge
from mixval.terms.ntk.regression import regression_shift
from mixval.terms.ntk.trained_gain import slope


@dataclass(frozen=True)
class HalfSamples:
    """R half-samples of S, each regressed anew."""

    values: Floats
    """(R,) nats."""
    displacements: Floats
    """(R,) as `regression.Prediction` says."""

    @property
    def slopes(self) -> Floats:
        """(R,) values over displacements."""
        return slope(self.values, self.displacements)


def half_sample_values(
    theta_ss: ArrayLike,  # (n, n)
    theta_ts: ArrayLike,  # (m, n)
    responses: ArrayLike,  # (n, C): Y, or the residual
    judge: Judge,
    masks: ArrayLike,  # (R, n) bool
    damping: float,
) -> HalfSamples:
    """Values and displacements of ridge regression on the rows of S that each replicate keeps.

    Raises ShapeError when blocks do not fit, and what `TangentRegression.predict` raises.
    """
    own, cross, right = floats("Theta(S,S)", theta_ss, 2), floats("Theta(T,S)", theta_ts, 2), floats("responses", responses, 2)
    if own.shape != (len(right), len(right)) or cross.shape[1] != len(right):
        raise ShapeError(
            f"half-samples: expected Theta(S,S) (n, n), Theta(T,S) (m, n) and responses (n, C) over the same rows of S, found "
            f"{own.shape}, {cross.shape} and {right.shape}. Use one sample of S for all."
        )
    values, displacements = [], []
    for mask in row_masks("half-sample masks of S", masks, len(right)):
        kept = np.flatnonzero(mask)
        part = own[np.ix_(kept, kept)]
        shift = regression_shift(float(np.diagonal(part).mean()), float(part.mean()), len(kept), damping, judge.mode)
        found = solved(part, right[kept], shift)
        values.append(judge.value(cross[:, kept] @ found.solution))
        displacements.append(energy_norm(right[kept], found))
    return HalfSamples(np.array(values, dtype=np.float64), np.array(displacements, dtype=np.float64))
