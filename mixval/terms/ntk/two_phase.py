"""Cross-entropy on T for all rows of S that were read, when only some of them have gradients: the two-phase ratio estimator.

Letters: N rows of S that were read, n of them with gradients; C classes; c the cross-entropy on T by regression with the
backbone's NTK; h the same with the kernel of a wide head on frozen features (`wide_head.py`), which needs a forward pass
alone; R replicates.

    c(N) = c(n) h(N) / h(n)

The ratio estimator of two-phase sampling, h being the auxiliary variable (Cochran, Sampling Techniques, 1977, chapters 6 and
12): exact for n = N and where h is proportional to c, never below 0. h is taken for at least `LEAST_SHARE` of log C, since a
head that classifies nearly every row has no differences left to transfer. Relative deviations are additive to first order;
with s = n / N:

    dc(N) / c(N) = dc(n) / c(n) - (1 - s) dh(n) / h(n) + (1 - s) dh(N - n) / h(N - n)      over S's rows
                   dc(n) / c(n) + dh(N) / h(N) - dh(n) / h(n)                              over T's rows

since h(N) shares a part s of its rows with h(n), and the other N - n rows are independent of them. Other forms and kernels are
compared in docs/laboratory.md.
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
"""Of log C, the cross-entropy without any rows of S: the least h."""


@dataclass(frozen=True)
class AuxiliaryCrossEntropy:
    """-h for some rows of S, in nats a row of T, with deviations (R,) of replicates; (0,) where there are none."""

    value: float
    """-h."""
    row_deviations: Floats
    """From half-samples of S's rows, rescaled to all rows of this group; zeros where they are not needed."""
    target_deviations: Floats
    """From half-samples of T's rows."""

    def relative(self, deviations: Floats, least: float) -> Floats:
        """(R,) deviations over the value; 0 where the value is too small to count."""
        return deviations / self.value if -self.value > least else np.zeros_like(deviations)


@dataclass(frozen=True)
class TwoPhaseRatio:
    """h of a contributor for three groups of its rows, and the ratio h(N) / h(n)."""

    n: int
    """Rows with gradients."""
    n_all: int
    """N, above n."""
    empty_value: float
    """-log C."""
    with_gradients: AuxiliaryCrossEntropy
    """Of the n rows with gradients; with deviations of both kinds."""
    all_read: AuxiliaryCrossEntropy
    """Of all N; with deviations from T's rows."""
    without_gradients: AuxiliaryCrossEntropy
    """Of rows without gradients; with deviations from their own half-samples, rescaled to N - n rows."""

    @property
    def ratio(self) -> float:
        """h(N) / h(n)."""
        return min(self.all_read.value, -self._least) / min(self.with_gradients.value, -self._least)

    @property
    def deviations(self) -> Floats:
        """(R,) relative deviations of the ratio."""
        share, least = 1 - self.n / self.n_all, self._least
        first, other, both = self.with_gradients, self.without_gradients, self.all_read
        of_rows = other.relative(other.row_deviations, least) - first.relative(first.row_deviations, least)
        of_target = both.relative(both.target_deviations, least) - first.relative(first.target_deviations, least)
        return np.asarray(share * of_rows + of_target)

    @property
    def _least(self) -> float:
        return -LEAST_SHARE * self.empty_value


@dataclass(frozen=True)
class TwoPhaseHalves:
    """Rows that R replicates keep; replicate r is the same one in all three."""

    with_gradients: Masks
    """(R, u) of the first u rows with gradients."""
    without_gradients: Masks
    """(R, w) of the first w rows without."""
    target: Masks
    """(R, M) of T's rows."""


def two_phase_ratio(
    all_read: KernelRegression, n: int, objective: TargetObjective, damping: float, halves: TwoPhaseHalves
) -> TwoPhaseRatio:
    """h and its deviations for N rows, the first n of which have gradients. `all_read` is the wide head's regression on them.

    Raises NumericalError as `KernelRegression.predict` does.
    """
    n_all, u, w = all_read.n, halves.with_gradients.shape[1], halves.without_gradients.shape[1]
    first, other = _part(all_read, slice(0, u)), _part(all_read, slice(n, n + w))
    of_first = _row_deviations(first, objective, damping, halves.with_gradients) * math.sqrt(u / n)
    of_other = _row_deviations(other, objective, damping, halves.without_gradients) * math.sqrt(w / (n_all - n))
    return TwoPhaseRatio(
        n=n,
        n_all=n_all,
        empty_value=objective.empty_value,
        with_gradients=_auxiliary(_part(all_read, slice(0, n)), objective, damping, halves.target, of_first),
        all_read=_auxiliary(all_read, objective, damping, halves.target, np.zeros_like(of_first)),
        without_gradients=_auxiliary(other, objective, damping, halves.target, of_other),
    )


def two_phase_value(value: float, deviations: Floats, head: TwoPhaseRatio) -> tuple[float, Floats]:
    """-c(N) in nats and its deviations (R,), from -c(n) and its deviations (R,) from S's and T's rows together."""
    return value * head.ratio, np.asarray(head.ratio * (deviations + value * head.deviations))


def _part(whole: KernelRegression, rows: slice) -> KernelRegression:
    return kernel_regression(whole.matrix[rows, rows], whole.left[:, rows], whole.right[rows])


def _auxiliary(
    regression: KernelRegression, objective: TargetObjective, damping: float, target: Masks, row_deviations: Floats
) -> AuxiliaryCrossEntropy:
    found = regression_value(regression, objective, damping)
    halves = objective.half_values(found.change.values, target)
    return AuxiliaryCrossEntropy(found.value, row_deviations, own_deviations(halves, target))


def _row_deviations(own: KernelRegression, objective: TargetObjective, damping: float, halves: Masks) -> Floats:
    return own_deviations(half_sample_values(own.matrix, own.left, own.right, objective, halves, damping).values, halves)
