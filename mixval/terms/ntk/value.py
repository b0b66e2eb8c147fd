"""The NTK-regression value of rows of S on T. Product, coalitions, evidence and studies all compute it with these functions.

Letters: n rows of S; m rows of T; C responses; K contributors of a run; R replicates.

    regression_value    one contributor's: the objective on T (`objective.py`) of the outputs that regression predicts
    run_values          those of a run's contributors: unchanged, or for causal LMs the gains from training (`trained_gain.py`)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixval.errors import ShapeError
from mixval.terms.arrays import Floats, floats
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import Change, KernelRegression, Mode
from mixval.terms.ntk.trained_gain import SHARE, slope, trained_gains


@dataclass(frozen=True)
class RegressionValue:
    """Value on T of training on some rows of S."""

    value: float
    """Nats, higher is better."""
    change: Change
    """The predicted change of T's outputs, and the displacement of the parameters."""


def regression_value(
    regression: KernelRegression, objective: TargetObjective, damping: float, mode: Mode | None = None
) -> RegressionValue:
    """The value of the regression's rows on the objective's T; lambda is `damping` in the objective's mode, or in `mode`.

    Raises as `KernelRegression.change`, and ShapeError where the objective is of other rows of T.
    """
    change = regression.change(damping, mode or objective.mode)
    return RegressionValue(objective.value(change.values), change)


@dataclass(frozen=True)
class RunValues:
    """Values of a run's contributors."""

    values: Floats
    """(K,) nats, higher is better."""
    deviations: Floats | None = None
    """(R, K) of replicates, NaN where a spread is unknown; None where there are none."""


def run_values(
    values: Sequence[float] | Floats,  # (K,)
    deviations: Floats | None = None,  # (R, K)
    displacements: Sequence[float] | Floats | None = None,  # (K,)
    displacement_deviations: Floats | None = None,  # (R, K)
    price: float = SHARE,
) -> RunValues:
    """The run's values from each contributor's: unchanged, or with `displacements` the gains from training (`trained_gains`).

    `price` is `share` of `trained_gains`. Raises ShapeError for deviations of only one of the two kinds, and as
    `trained_gains`.
    """
    own = floats("values", np.asarray(values), 1)
    if displacements is None:
        return RunValues(own, deviations)
    if (deviations is None) != (displacement_deviations is None):
        raise ShapeError("a run's values: expected replicates of values and of displacements, or neither. Give both.")
    moved = floats("displacements", np.asarray(displacements), 1)
    gains = trained_gains(slope(own, moved), moved, price)
    if deviations is None or displacement_deviations is None:
        return RunValues(gains)
    # A contributor whose spread is unknown has its own values here: it moves the others' mean slope by nothing known.
    known = np.isfinite(deviations) & np.isfinite(displacement_deviations)
    there = np.where(known, deviations, 0.0) + own
    at = np.maximum(np.where(known, displacement_deviations, 0.0) + moved, 0.0)
    shifts = trained_gains(slope(there, at), at, price) - gains
    return RunValues(gains, np.where(known, shifts, np.nan))
