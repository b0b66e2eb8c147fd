"""How far the NTK-regression value of a contributor may be off, from the rows of S and of T that it happened to have.

Letters: n rows of S, u of them looked at; m rows of T; C responses; R replicates; a the coordinate of the value
(`linearised.py`), D (m, C) its derivative by the outputs; e_i a row's residual and h_i its leverage (`regression.Reach`).

    as row i of S leaves, a falls by the sum over T's rows j of
    b_ji = (D_j e_i) <phi_j, (Phi'Phi + lambda I)^-1 phi_i> / sqrt(1 - h_i)

Over 1 - h_i it would be the jackknife's, whose variance is too high for few rows, over 1 the infinitesimal jackknife's, too
low; with the square root a regression's variance is unbiased under equal errors (HC2: MacKinnon and White, Journal of
Econometrics 29, 1985). lambda and lengths are held. Near guessing no row matters by itself, only pairs of a row of S and one of
T: that part of the variance, the sum of the double-centred b_ji squared, is in both sets' effects and is taken off once
(`discrepancy/variance.py` has the same correction). It is taken off S's, since two contributors are compared on the same rows
of T: what pairs add to the difference is in T's effects already.

Rows of T act through the scale that fits them, and through the row that is only guessed (`Linearised.guess_move`). The spread
is measured in a and mapped to nats. Cost: one solve of m + u right-hand sides with the factor at hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixval.terms.arrays import Floats
from mixval.terms.ntk.linearised import Linearised
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import KernelRegression, Reach, RowsOfS
from mixval.terms.ntk.value import RegressionValue
from mixval.terms.replicates import Effects, deviations, eased, effects_of


@dataclass(frozen=True)
class SampledRows:
    """The rows of S that are looked at."""

    rows: RowsOfS
    """Their places in the kernel, or their features and responses."""
    multipliers: Floats
    """(R, u)."""
    strata: npt.NDArray[np.bool_ | np.int64] | None = None
    """(u,) what they were drawn apart from, as their part is; None where all are of one."""
    scales: Floats | None = None
    """(u,) roots of how many rows of S each stands for; None: of n / u."""


@dataclass(frozen=True)
class ValueSpread:
    """Row effects on the coordinate of a value, and on the displacement of a causal LM."""

    linear: Linearised
    under_target: Effects
    """Of S's rows, under the T at hand."""
    own: Effects
    """The same without what each row's effect owes to the rows of T at hand, which is in `target`."""
    target: tuple[Effects, ...]
    """Of T's rows, and of the row that is only guessed."""
    displacement: Effects | None = None
    """Of S's rows on the displacement; for one response only."""

    @property
    def deviations(self) -> Floats:
        """(R,) of the value in nats, from both sets of rows."""
        return self.linear.shifts(deviations([self.own, *self.target]))

    @property
    def by_rows(self) -> Floats:
        """(R,) what S's rows add to those of T, so that both together are `deviations`."""
        return self.linear.shifts(deviations([self.own]))

    @property
    def by_target(self) -> Floats:
        """(R,) from T's rows alone."""
        return self.linear.shifts(deviations(self.target))

    @property
    def displacements(self) -> Floats:
        """(R,) deviations of the displacement."""
        return np.zeros(0) if self.displacement is None else deviations([self.displacement])


def value_spread(
    regression: KernelRegression,
    found: RegressionValue,
    objective: TargetObjective,
    own: SampledRows,
    target: Floats,  # (R, m + 1): multipliers of T's rows, and of a row that is only guessed
    reach: Reach | None = None,  # of the rows looked at, where it is known
    linear: Linearised | None = None,  # the value about its outputs, where it is known
) -> ValueSpread:
    """The spread of a value that `regression` gave. Raises ShapeError for a change without its factor."""
    linear, m = linear or objective.linearised(found.change.values), len(found.change.values)
    has_one = found.change.values.shape[1] == 1
    reach = reach or value_reach(regression, found, own)
    free = np.clip(1 - reach.leverages, 1e-12, None)
    # Of labels HC2, under which lambda is large.
    raised = eased(1 / free, free) if has_one else 1 / np.sqrt(free)
    scales = np.full(len(free), math.sqrt(regression.n / max(len(free), 1))) if own.scales is None else own.scales
    weighted = reach.residuals * (raised * scales)[:, None]
    pairs = reach.outputs[:m] * (linear.gradient @ weighted.T)
    rows = effects_of(pairs.sum(axis=0), own.multipliers, own.strata)
    of_target = effects_of(linear.target_moves * ((m - 1) / m), target[:, :-1])
    centred = pairs - pairs.mean(axis=0) - pairs.mean(axis=1, keepdims=True) + pairs.mean()
    both = min(float((centred**2).sum()), rows.variance)
    alone = rows.scaled(math.sqrt(1 - both / rows.variance) if both > 0 else 1.0)
    guessed = Effects(np.array([linear.guess_move]), target[:, -1:], of_target.freedom)
    moved = None
    if has_one and found.change.displacement > 0:
        moved = effects_of(shorter(reach, found.change.displacement) * scales, own.multipliers, own.strata)
    return ValueSpread(linear, rows, alone, (of_target, guessed), moved)


def value_reach(regression: KernelRegression, found: RegressionValue, own: SampledRows) -> Reach:
    """How T's outputs depend on the rows looked at; for one response the displacement, too, in a last row of `outputs`."""
    has_one = found.change.values.shape[1] == 1
    further = regression.displacement_row(found.change) if has_one else None
    return regression.reach(found.change, own.rows, further, has_sizes=has_one)


def shorter(reach: Reach, displacement: float) -> Floats:
    """(u,) by how much the displacement, the last of `outputs` when squared, falls as each row of S leaves.

    Not to first order: parameters that one row sets are in the displacement squared, and would be counted twice.
    """
    free = np.clip(1 - reach.leverages, 1e-12, None)
    without = reach.residuals[:, 0] / free
    squared = displacement**2 - 2 * reach.outputs[-1] * without + reach.sizes * without**2
    return eased(displacement - np.sqrt(np.maximum(squared, 0.0)), free)
