"""The NTK-regression value of any coalition of contributors, from sums of their statistics: a game over contributors.

Letters: K contributors; q features; C responses; Phi (n, q) a coalition's sketched gradients and R (n, C) its responses, labels
Y or the residual; Phi_T (m, q) T's sketch; A = Phi'Phi and c = Phi'R add up over contributors.

    v(U) = the objective on T (`objective.py`) of F = Phi_T (A + lambda I)^-1 c,          lambda as in `regression.py`

A contributor of whom n of N rows were measured counts by its size: its sums are weighted by N / n, and the coalition's are
scaled back to the number of rows measured, since a row that is repeated would fit itself. v of the empty coalition is the
objective of F = 0.

How far v(U) may be off follows from effects of single rows (`value_spread.py`), of which a row that stands for N / n has the
features and responses times sqrt(N / n). Replicate r has the same multipliers for a row in all coalitions, so that what two of
them share cancels in their difference. That needs a factor in float64: some coalitions have it, not all that are valued.

The system is solved as in `refined_regression.py`. A is updated from one coalition to the next: a step
costs the contributors that join and leave (`coalition_sums.py`). Where spreads are wanted and all measured rows of a coalition
are looked at, fewer than q / 2, the same follows from their kernel, Theta (n, n) in place of A (q, q).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.damped import effective_rank, solved
from mixval.terms.ntk.linearised import Linearised
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import KernelRegression, Reach
from mixval.terms.ntk.value import RegressionValue, regression_value
from mixval.terms.ntk.value_spread import SampledRows, value_reach, value_spread
from mixval.terms.replicates import Keys
from mixval.valuation.coalition_sums import GramSums
from mixval.valuation.estimates import Floats
from mixval.valuation.refined_regression import RefinedRegression
from mixval.valuation.shapley import Members, Order


@dataclass(frozen=True)
class RegressionSums:
    """Sums over the rows of K contributors. Raises ShapeError where sums do not fit, NumericalError for NaN or infinity."""

    admitted: npt.NDArray[np.int64]
    """(K,) rows N, at least 1."""
    measured: npt.NDArray[np.int64]
    """(K,) rows n behind the sums."""
    gram: Sequence[npt.NDArray[Any]] | npt.NDArray[Any]
    """K of (q, q) float32 or float64: A, weighted by N / n. Referenced, not copied."""
    cross: Floats
    """(K, q, C): c, weighted alike."""

    def __post_init__(self) -> None:
        """Refuse sums that do not fit together."""
        grams = sorted({one.shape for one in self.gram})
        k, q = len(self.gram), 0 if self.cross.ndim != 3 else self.cross.shape[1]
        shapes = (self.admitted.shape, self.measured.shape, grams, self.cross.shape[:2])
        if shapes != ((k,), (k,), [(q, q)], (k, q)) or k == 0:
            raise ShapeError(
                f"values of coalitions: expected rows (K,), K matrices A (q, q) and c (K, q, C), found {self.admitted.shape}, "
                f"{self.measured.shape}, {k} of {grams} and {self.cross.shape}. Use one sketch."
            )
        if not (np.isfinite(self.cross).all() and all(np.isfinite(one).all() for one in self.gram)):
            raise NumericalError(
                "values of coalitions: sums are NaN or infinite. Leave out rows that overflow the backbone's precision."
            )
        if (self.admitted < 1).any() or (self.measured < 1).any():
            raise ShapeError(f"rows by contributor: expected 1 at least, found {self.measured.tolist()}. Leave empty ones out.")


@dataclass(frozen=True)
class EffectRows:
    """Rows of one contributor, u of its n measured ones, whose effects on coalitions' values are taken."""

    features: npt.NDArray[Any]
    """(u, q)."""
    responses: Floats
    """(u, C)."""
    multipliers: Floats
    """(R, u)."""
    weights: Floats
    """(u,) N / n of their part, as in the sums."""
    stand_for: Floats
    """(u,) measured rows for each that is looked at."""
    is_real: npt.NDArray[np.bool_]
    """(u,)."""
    keys: Keys | None = None
    """(u,) names by content, by which rows are found again in another union; None: they are not looked for."""


@dataclass(frozen=True)
class SolvedCoalition:
    """A coalition whose system is solved, with what its outputs on T owe to each row that was looked at.

    Of the same rows cut into other players, everything but the choice of rows to look at is the same.
    """

    regression: KernelRegression
    """Without its matrix, of which the factor is kept."""
    found: RegressionValue
    rows: Sequence[EffectRows]
    """Of each member."""
    reach: Reach
    """Of these rows, in their order."""
    linear: Linearised
    """The value about its outputs."""


@dataclass(frozen=True)
class Spreads:
    """What spreads of coalitions' values are made of."""

    rows: Sequence[EffectRows]
    """Of each of K contributors."""
    target: Floats
    """(R, m + 1): multipliers of T's rows, and of a row that is only guessed."""


class RegressionGame:
    """A game (`mixval.valuation.shapley.Game`) whose players are contributors. Values in nats, higher is better.

    The running sum is shared between calls: use one of these in one thread. Values of coalitions are cached.
    """

    def __init__(
        self,
        sums: RegressionSums,
        of_target: npt.NDArray[Any],  # (m, q): Phi_T
        objective: TargetObjective,
        damping: float,  # relative to the scale of the objective's mode
        spreads: Spreads | None = None,  # None: without replicates
    ) -> None:
        """Take the sums of K contributors. Raises ShapeError for T under another sketch, NumericalError for no damping."""
        q = sums.cross.shape[1]
        if of_target.ndim != 2 or of_target.shape[1] != q:
            raise ShapeError(f"values of coalitions: expected T's sketch (m, {q}), found {of_target.shape}. Use one sketch.")
        if not damping > 0:
            raise NumericalError(f"expected a positive damping, found {damping:g}. Set `value.damping`.")
        self._of, self._target = sums, of_target.astype(np.float64)
        self._objective, self._damping = objective, damping
        diagonals = np.array([np.diagonal(one) for one in sums.gram], dtype=np.float64)
        self._total = GramSums(sums.gram, diagonals, lower=False)
        self._known: dict[bytes, float] = {}
        self._spreads, self._deviations = spreads, dict[bytes, Floats]()

    def empty(self) -> float:
        """v of the empty coalition."""
        return self._objective.empty_value

    def value(self, members: Members) -> float:
        """v of the contributors that `members` (K,) marks, at least one. Raises NumericalError where all gradients are zero."""
        if members.dtype != np.bool_ or members.shape != self._total.members.shape or not members.any():
            raise ShapeError(
                f"members: expected a bool mask {self._total.members.shape} that marks a contributor, found {members}."
            )
        key = members.tobytes()
        if key not in self._known:
            self._known[key] = self._objective.value(self._outputs(members))
        return self._known[key]

    def deviations(self, members: Members) -> Floats | None:
        """(R,) of the value of these contributors, none or more, in nats, by their rows and T's; None without replicates.

        Takes a factor in float64 and a solve for each row that is looked at. Deviations of coalitions are cached.
        """
        if self._spreads is None:
            return None
        if not members.any():
            return np.zeros(len(self._spreads.target))
        key = members.tobytes()
        if key not in self._deviations:
            self.solved(members)
        return self._deviations[key]

    def solved(self, members: Members) -> SolvedCoalition | None:
        """These contributors, at least one, with their factor; None without replicates. Costs what `deviations` does."""
        if self._spreads is None:
            return None
        chosen = [one for one, is_in in zip(self._spreads.rows, members, strict=True) if is_in]
        sampled, key = sampled_rows(chosen), members.tobytes()
        regression: KernelRegression
        if self._are_all(members, sampled):
            regression, sampled = self._by_rows(members, sampled)
        else:
            regression = self._regression(members)
        change = KernelRegression.change(regression, self._damping, self._objective.mode)
        found = RegressionValue(self._objective.value(change.values), change)
        self._known.setdefault(key, found.value)
        reach = value_reach(regression, found, sampled)
        spread = value_spread(regression, found, self._objective, sampled, self._spreads.target, reach)
        self._deviations[key] = spread.deviations
        return SolvedCoalition(replace(regression, matrix=np.zeros((0, 0))), found, chosen, reach, spread.linear)

    def rows(self, members: Members) -> Floats:
        """(m,) v of these contributors, none or more, on each of T's rows; their mean is v, weighted by T's answer tokens."""
        if not members.any():
            return self._objective.row_values(np.zeros((len(self._target), self._of.cross.shape[2])))
        outputs = self._outputs(members)
        self._known[members.tobytes()] = self._objective.value(outputs)
        return self._objective.row_values(outputs)

    def error(self, differences: Floats) -> float:  # (m,)
        """Standard error, by the sampling of T's rows, of a difference between coalitions, given on each row of T."""
        return self._objective.error(differences)

    def _outputs(self, members: Members) -> Floats:
        return regression_value(self._regression(members), self._objective, self._damping).change.values

    def prefixes(self, order: Order) -> Iterator[float]:
        """v of the growing prefixes of an order."""
        members = np.zeros_like(self._total.members)
        for joining in order:
            members[joining] = True
            yield self.value(members)

    def sketch_fill(self) -> float:
        """Effective rank of the coalition of all over q: the share of the sketch that it fills, 0 to 1."""
        regression = self._regression(np.ones_like(self._total.members))
        found = solved(regression.matrix, regression.right, regression.shift(self._damping, self._objective.mode))
        return effective_rank(found) / len(regression.matrix)

    def _regression(self, members: Members) -> RefinedRegression:
        """The regression from the current sums, which are scaled to admitted rows; equivalent to n measured rows.

        Its matrix is the running sum, overwritten by the next coalition.
        """
        self._total.become(members)
        n, common = self._scale(members, float(self._total.diagonal.sum()))
        right = self._of.cross[members].sum(axis=0)
        return RefinedRegression(self._total.gram, right, self._target, n, is_kernel=False, common=common)

    def _are_all(self, members: Members, sampled: SampledRows) -> bool:
        """Whether these rows are all that were measured, and few beside q."""
        n_rows = sampled.multipliers.shape[1]
        return bool(n_rows == self._of.measured[members].sum() and 2 * n_rows < self._target.shape[1])

    def _by_rows(self, members: Members, sampled: SampledRows) -> tuple[KernelRegression, SampledRows]:
        """The same regression from all of the coalition's rows, and these by their places in its kernel."""
        if not isinstance(sampled.rows, tuple):
            raise ShapeError("expected rows with their features, found places in a kernel. Take `sampled_rows`.")
        phi, responses = sampled.rows
        theta = phi @ phi.T
        n, common = self._scale(members, float(np.trace(theta)))
        left = self._target @ phi.T
        by_place = replace(sampled, rows=slice(0, n))
        return KernelRegression(theta, responses, left, n, is_kernel=True, common=common), by_place

    def _scale(self, members: Members, trace: float) -> tuple[int, float]:
        """n, and |mean g|^2 over the rows of a coalition whose gradients have these squared lengths in all."""
        n, represented = (int(rows[members].sum()) for rows in (self._of.measured, self._of.admitted))
        if not trace > 0:
            raise NumericalError(
                f"the gradients of all {n} rows of a coalition are zero, so damping has no scale. Choose other "
                f"`ntk.parameters`, "
                "or leave these contributors out."
            )
        total = self._of.cross[members].sum(axis=(0, 2))  # Phi'1 where responses are labels
        return n, float(total @ total) / (represented * n)


def sampled_rows(chosen: Sequence[EffectRows]) -> SampledRows:
    """Rows of several contributors, each and each part of it drawn apart; those of higher weight count for more."""
    roots = np.sqrt(np.concatenate([one.weights for one in chosen]))[:, None]
    features = np.concatenate([one.features for one in chosen]).astype(np.float64) * roots
    responses = np.concatenate([one.responses for one in chosen]) * roots
    strata = np.concatenate([2 * place + one.is_real for place, one in enumerate(chosen)])
    scales = np.sqrt(np.concatenate([one.stand_for for one in chosen]))
    multipliers = np.concatenate([one.multipliers for one in chosen], axis=1)
    return SampledRows((features, responses), multipliers, strata.astype(np.int64), scales)
