"""The cross-entropy of all rows that were read, from gradients of some of them and features of all: a ratio estimator.

Letters: N rows of S that were read, n of them with gradients; C classes; c the cross-entropy on T by regression on the
backbone's tangent kernel; h that on the kernel of a wide head on frozen features (`wide_head.py`), which a forward pass
tells; R replicates.

    c(N) = c(n) h(N) / h(n)

Both fall as rows are added, by how much these rows teach, and both move with the rows that chance drew: what h knows of either
cancels. It is the ratio estimator of two-phase sampling (Cochran, Sampling Techniques, 1977, chapters 6 and 12): exact for
n = N and where h is in proportion to c, never below 0. Where h is below a hundredth of log C, that is what counts: a head that
puts nearly every row right tells no more. Relative deviations add up to first order, with s = n / N:

    dc(N) / c(N) = dc(n) / c(n) - (1 - s) dh(n) / h(n) + (1 - s) dh(rest) / h(rest)        over S's rows
                   dc(n) / c(n) + dh(N) / h(N) - dh(n) / h(n)                              over T's rows

since h(N) shares a part s of its rows with h(n) and the rest are independent of them.

Other forms and kernels are compared in docs/laboratory.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mixval.terms.arrays import Floats, Masks
from mixval.terms.half_samples import own_deviations
from mixval.terms.ntk.half_sample_values import half_sample_values
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import KernelRegression, kernel_regression
from mixval.terms.ntk.value import regression_value

LEAST_SHARE = 0.01
"""Of log C, the cross-entropy of nobody: h is taken for no less."""


@dataclass(frozen=True)
class AuxiliaryCrossEntropy:
    """-h over some rows, in nats a row of T, with deviations of (R,) replicates, or (0,) where there are none."""

    value: float
    """-h."""
    of_rows: Floats
    """From halves of S's rows, on the scale of the rows that it speaks for; zeros where they are not needed."""
    of_target: Floats
    """From halves of T's rows; zeros likewise."""

    def relative(self, deviations: Floats, least: float) -> Floats:
        """(R,) deviations over the value; 0 where the value is too small to count."""
        return deviations / self.value if -self.value > least else np.zeros_like(deviations)


@dataclass(frozen=True)
class TwoPhaseRatio:
    """What a contributor's features say of its rows."""

    n: int
    """Rows with gradients."""
    n_all: int
    """N, above n."""
    empty_value: float
    """-log C."""
    measured: AuxiliaryCrossEntropy
    """Of the n rows; with deviations of both kinds."""
    every: AuxiliaryCrossEntropy
    """Of all N; with deviations from T's rows."""
    rest: AuxiliaryCrossEntropy
    """Of rows without gradients; with deviations from its own rows, on the scale of N - n."""

    @property
    def ratio(self) -> float:
        """h(N) / h(n)."""
        return min(self.every.value, -self._least) / min(self.measured.value, -self._least)

    @property
    def deviations(self) -> Floats:
        """(R,) relative deviations of the ratio."""
        share, least = 1 - self.n / self.n_all, self._least
        of_rows = self.rest.relative(self.rest.of_rows, least) - self.measured.relative(self.measured.of_rows, least)
        of_target = self.every.relative(self.every.of_target, least) - self.measured.relative(self.measured.of_target, least)
        return np.asarray(share * of_rows + of_target)

    @property
    def _least(self) -> float:
        return -LEAST_SHARE * self.empty_value


@dataclass(frozen=True)
class TwoPhaseHalves:
    """Rows that R replicates keep, the same replicates for all three."""

    measured: Masks
    """(R, u) of the first u rows with gradients."""
    rest: Masks
    """(R, w) of the first w rows without."""
    target: Masks
    """(R, M) of T's rows."""


def two_phase_ratio(
    every: KernelRegression, n: int, objective: TargetObjective, damping: float, halves: TwoPhaseHalves
) -> TwoPhaseRatio:
    """What the head says of N rows, the first n of which have gradients. `every` is the regression from its kernel blocks.

    Raises NumericalError as `KernelRegression.predict` does.
    """
    n_all, u, w = every.n, halves.measured.shape[1], halves.rest.shape[1]
    own, rest = _part(every, slice(0, u)), _part(every, slice(n, n + w))
    of_own = _row_deviations(own, objective, damping, halves.measured) * math.sqrt(u / n)
    of_rest = _row_deviations(rest, objective, damping, halves.rest) * math.sqrt(w / (n_all - n))
    return TwoPhaseRatio(
        n=n,
        n_all=n_all,
        empty_value=objective.empty_value,
        measured=_auxiliary(_part(every, slice(0, n)), objective, damping, halves.target, of_own),
        every=_auxiliary(every, objective, damping, halves.target, np.zeros_like(of_own)),
        rest=_auxiliary(rest, objective, damping, halves.target, of_rest),
    )


def two_phase_value(value: float, deviations: Floats, head: TwoPhaseRatio) -> tuple[float, Floats]:
    """-c(N) in nats and its deviations (R,), from -c(n) and its deviations (R,) from S's and T's rows together."""
    return value * head.ratio, np.asarray(head.ratio * (deviations + value * head.deviations))


def _part(whole: KernelRegression, rows: slice) -> KernelRegression:
    return kernel_regression(whole.matrix[rows, rows], whole.left[:, rows], whole.right[rows])


def _auxiliary(
    regression: KernelRegression, objective: TargetObjective, damping: float, target: Masks, of_rows: Floats
) -> AuxiliaryCrossEntropy:
    found = regression_value(regression, objective, damping)
    of_target = objective.half_values(found.change.values, target)
    return AuxiliaryCrossEntropy(found.value, of_rows, own_deviations(of_target, target))


def _row_deviations(own: KernelRegression, objective: TargetObjective, damping: float, halves: Masks) -> Floats:
    return own_deviations(half_sample_values(own.matrix, own.left, own.right, objective, halves, damping).values, halves)
