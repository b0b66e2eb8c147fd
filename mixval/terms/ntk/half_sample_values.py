"""Values of half-samples of S: the NTK-regression value (`value.py`) of the rows that each replicate keeps.

Letters: n rows of S; m rows of T; C responses; R replicates. Each replicate has its own lambda and is evaluated on all of T.
The spread from T's finite number of rows is estimated apart, by `TargetObjective.half_values` and without another regression:
the two kinds of deviations are additive to first order, and have different scales where S has fewer rows here than in all.

Cost: R factorisations of (n / 2, n / 2) and products of (m, n / 2) by (n / 2, C).
"""

from dataclasses import dataclass

import numpy as np

from mixval.terms.arrays import ArrayLike, Floats, row_masks
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import kernel_regression
from mixval.terms.ntk.trained_gain import slope
from mixval.terms.ntk.value import regression_value


@dataclass(frozen=True)
class HalfSamples:
    """R half-samples of S, each with its own regression."""

    values: Floats
    """(R,) nats."""
    displacements: Floats
    """(R,) as `regression.Change` has it."""

    @property
    def slopes(self) -> Floats:
        """(R,) values over displacements."""
        return slope(self.values, self.displacements)


def half_sample_values(
    theta_ss: ArrayLike,  # (n, n)
    theta_ts: ArrayLike,  # (m, n)
    responses: ArrayLike,  # (n, C): Y, or the residual
    objective: TargetObjective,
    masks: ArrayLike,  # (R, n) bool
    damping: float,
) -> HalfSamples:
    """Values and displacements of ridge regression on the rows of S that each replicate keeps.

    Raises ShapeError when blocks do not fit, and what `KernelRegression.predict` raises.
    """
    whole = kernel_regression(theta_ss, theta_ts, responses)
    found = [
        regression_value(whole.rows(mask), objective, damping) for mask in row_masks("half-sample masks of S", masks, whole.n)
    ]
    return HalfSamples(
        np.array([one.value for one in found], dtype=np.float64),
        np.array([one.change.displacement for one in found], dtype=np.float64),
    )
