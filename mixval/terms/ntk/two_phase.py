"""Cross-entropy on T for all rows of S that were read, when only some of them have gradients: the two-phase ratio estimator.

Letters: N rows of S that were read, n of them with gradients; C classes; c the cross-entropy on T by regression with the
backbone's NTK; h the same with the kernel of a wide head on frozen features (`wide_head.py`), which needs a forward pass
alone; R replicates.

    c(N) = c(n) h(N) / h(n)

The ratio estimator of two-phase sampling, h being the auxiliary variable (Cochran, Sampling Techniques, 1977, chapters 6 and
12): exact for n = N and where h is proportional to c, never below 0. h is taken for at least `LEAST_SHARE` of log C, since a
head that classifies nearly every row has no differences left to transfer.

The gain over guessing, log C - c, is kept between 0 and N / n of what it is with the n rows: by a weak signal the gain of
fitted outputs grows in proportion to the rows and no faster. So a contributor without a gain, whose n rows teach T's labels
nothing or the reverse, is given none by its features: its value stays that of the n rows.

Relative deviations are additive to first order; with s = n / N:

    dc(N) / c(N) = dc(n) / c(n) - (1 - s) dh(n) / h(n) + (1 - s) dh(N - n) / h(N - n)      over S's rows
                   dc(n) / c(n) + dh(N) / h(N) - dh(n) / h(n)                              over T's rows

since h(N) shares a part s of its rows with h(n), and the other N - n rows are independent of them. Other forms and kernels are
compared in docs/laboratory.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mixval.terms.arrays import Floats
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import KernelRegression, kernel_regression
from mixval.terms.ntk.value import regression_value
from mixval.terms.ntk.value_spread import SampledRows, value_spread

LEAST_SHARE = 0.01
"""Of log C, the cross-entropy without any rows of S: the least h."""


@dataclass(frozen=True)
class AuxiliaryCrossEntropy:
    """-h for some rows of S, in nats a row of T, with deviations (R,) of replicates; (0,) where there are none."""

    value: float
    """-h."""
    row_deviations: Floats
    """By S's rows of this group."""
    target_deviations: Floats
    """By T's rows."""

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
    """Of all N; its deviations by T's rows are used."""
    without_gradients: AuxiliaryCrossEntropy
    """Of rows without gradients; its deviations by their own rows are used, rescaled to N - n of them."""

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
    def is_floored(self) -> bool:
        """Whether `LEAST_SHARE` sets the ratio."""
        return min(-self.all_read.value, -self.with_gradients.value) < self._least

    @property
    def _least(self) -> float:
        return -LEAST_SHARE * self.empty_value


@dataclass(frozen=True)
class TwoPhaseRows:
    """Multipliers of R replicates; replicate r is the same one in all three."""

    with_gradients: SampledRows
    """The first u rows with gradients."""
    without_gradients: SampledRows
    """The first w rows without."""
    target: Floats
    """(R, M + 1) of T's rows, and of a row that is only guessed."""


@dataclass(frozen=True)
class TwoPhaseValue:
    """-c(N), by the ratio and its bounds."""

    value: float
    """In nats, higher is better."""
    deviations: Floats
    """(R,)."""
    is_bounded: bool
    """Whether the gain over guessing was kept within its bounds."""


def two_phase_ratio(
    all_read: KernelRegression, n: int, objective: TargetObjective, damping: float, rows: TwoPhaseRows
) -> TwoPhaseRatio:
    """h and its deviations for N rows, the first n of which have gradients. `all_read` is the wide head's regression on them.

    Raises NumericalError as `KernelRegression.predict` does.
    """
    n_all, w = all_read.n, rows.without_gradients.multipliers.shape[1]
    first, other = _part(all_read, slice(0, n)), _part(all_read, slice(n, n + w))
    of_other = _auxiliary(other, objective, damping, rows.without_gradients, rows.target)
    scale = math.sqrt(w / (n_all - n))
    return TwoPhaseRatio(
        n=n,
        n_all=n_all,
        empty_value=objective.empty_value,
        with_gradients=_auxiliary(first, objective, damping, rows.with_gradients, rows.target),
        all_read=_auxiliary(all_read, objective, damping, rows.with_gradients, rows.target),
        without_gradients=AuxiliaryCrossEntropy(of_other.value, of_other.row_deviations * scale, of_other.target_deviations),
    )


def two_phase_value(value: float, deviations: Floats, head: TwoPhaseRatio) -> TwoPhaseValue:
    """-c(N) in nats and its deviations (R,), from -c(n) and its deviations (R,) from S's and T's rows together."""
    gain = value - head.empty_value
    if gain <= 0:
        return TwoPhaseValue(value, deviations, is_bounded=True)
    wanted = value * head.ratio - head.empty_value
    most = gain * head.n_all / head.n
    if not 0 <= wanted <= most:
        bound = min(max(wanted, 0.0), most)
        return TwoPhaseValue(head.empty_value + bound, deviations * max(bound / gain, 1.0), is_bounded=True)
    return TwoPhaseValue(value * head.ratio, np.asarray(head.ratio * (deviations + value * head.deviations)), is_bounded=False)


def _part(whole: KernelRegression, rows: slice) -> KernelRegression:
    return kernel_regression(whole.matrix[rows, rows], whole.left[:, rows], whole.right[rows])


def _auxiliary(
    regression: KernelRegression, objective: TargetObjective, damping: float, rows: SampledRows, target: Floats
) -> AuxiliaryCrossEntropy:
    found = regression_value(regression, objective, damping)
    spread = value_spread(regression, found, objective, rows, target)
    return AuxiliaryCrossEntropy(found.value, spread.by_rows, spread.by_target)
