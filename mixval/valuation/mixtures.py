"""Values of mixtures by NTK regression: rows of each part counted so many times, as if each were repeated as often.

Letters: p a part, real or synthetic, with N_p rows, n_p of them measured; A_p = Phi'Phi and c_p = Phi'R over them, each row
weighted by N_p / n_p; w_p >= 0 its weight; c copies of all rows; m rows of T; C responses; R replicates.

    v(w, c) = the objective on T of F = Phi_T (c A + lambda I)^-1 c b,      A = sum of w_p A_p,   b = sum of w_p c_p

For whole weights that is the regression on rows that are repeated as often, lambda included: its reference is the mean over
rows as they are counted, as for any rows (`regression.py`). So w = 1 is the value of both parts, and w = 0 of a part that of
the other alone, each at its own lambda; one held at that of w = 1 would give a part alone two values. lambda does not depend
on c. c A and c b are the sums over c times as many rows on average: of a random share c of these rows, or above c = 1 of
further rows like them, which nobody has seen; what single rows' noise does besides is left out.

Effects of rows are those of a row with all of its copies: repeating rows adds no information, so it narrows no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.regression import KernelRegression
from mixval.terms.ntk.value import regression_value
from mixval.terms.ntk.value_spread import value_spread
from mixval.valuation.estimates import Floats
from mixval.valuation.marginal import Estimated
from mixval.valuation.players import Player, TargetSide
from mixval.valuation.regression_coalitions import EffectRows, sampled_rows

WEIGHTS = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Weights of the synthetic part at which a curve is computed."""
SAME = 1e-9
"""Relative difference of values that is rounding."""


@dataclass(frozen=True)
class MixedPart:
    """Sums over a part's rows, of one contributor or of several."""

    admitted: int
    """N_p, at least 1."""
    measured: int
    """n_p, at least 1."""
    gram: npt.NDArray[Any]
    """(q, q) A_p, float32 or float64."""
    cross: Floats
    """(q, C) c_p."""
    rows: tuple[EffectRows, ...] = ()
    """Rows that are looked at, a set for each contributor; none: values without replicates."""

    @classmethod
    def of(cls, player: Player) -> MixedPart:
        """Of a player's rows, all of which are of this part."""
        rows = () if player.rows is None else (player.rows,)
        return cls(player.admitted, player.measured, player.gram, player.cross, rows)

    def __add__(self, other: MixedPart) -> MixedPart:
        """Of the rows of both. Raises ShapeError for other sketches."""
        if (self.gram.shape, self.cross.shape) != (other.gram.shape, other.cross.shape):
            raise ShapeError(
                f"parts of a mixture: expected sums {self.gram.shape} and {self.cross.shape} of one sketch, found "
                f"{other.gram.shape} and {other.cross.shape}. Use one sketch for all."
            )
        return MixedPart(
            self.admitted + other.admitted,
            self.measured + other.measured,
            self.gram + other.gram,
            self.cross + other.cross,
            self.rows + other.rows,
        )

    def projected(self, basis: Floats) -> MixedPart:  # (q, k)
        """The same in the coordinates of a basis."""
        rows = tuple(replace(one, features=one.features.astype(np.float64) @ basis) for one in self.rows)
        return replace(self, gram=basis.T @ self.gram @ basis, cross=basis.T @ self.cross, rows=rows)


@dataclass(frozen=True)
class Worth:
    """What a mixture is worth."""

    value: Estimated
    """Nats, higher is better."""
    displacement: Estimated
    """How far the parameters move, in units of their norm. Without replicates where rows have several responses."""


@dataclass(frozen=True)
class Mixtures:
    """Mixtures of parts that are there, by their names, valued on T."""

    parts: Mapping[str, MixedPart]
    target: TargetSide

    def narrowed(self, rows: Sequence[npt.NDArray[Any]]) -> Mixtures:  # each (n, q)
        """The same in the coordinates of the span of these rows, where they are all that the parts have and fewer than q.

        Same values up to rounding, and less to compute: outputs depend on T's features within that span alone.
        """
        n = sum(len(one) for one in rows)
        if n < sum(part.measured for part in self.parts.values()) or n >= self.target.features.shape[1]:
            return self
        features = np.concatenate(rows)
        basis = np.linalg.qr(features.T.astype(np.float64))[0]
        target = replace(self.target, features=self.target.features.astype(np.float64) @ basis)
        return Mixtures({name: part.projected(basis) for name, part in self.parts.items()}, target)

    def worth(self, weights: Mapping[str, float], copies: float = 1.0, spread: bool = True) -> Worth:
        """Of each part's rows at its weight, those not named at 1, and all rows `copies` times; with `spread` with replicates.

        Raises ShapeError for weights that are negative or all 0, NumericalError where all gradients are zero.
        """
        at = self._at(weights)
        if min(at.values()) < 0 or not max(at.values()) > 0 or not copies > 0:
            raise ShapeError(
                f"a mixture: expected weights of 0 or more, one of them above 0, and copies above 0, found {at} and {copies:g}."
            )
        counted = self._counted(at)
        regression, scale, damping = self._regression(counted, at, copies)
        objective = self.target.objective
        found = regression_value(regression, objective, damping)
        chosen = [replace(one, weights=one.weights * (at[name] * scale)) for name, part in counted.items() for one in part.rows]
        if not (spread and chosen and len(self.target.multipliers)):
            return Worth(Estimated(found.value, None), Estimated(found.change.displacement, None))
        shifts = value_spread(regression, found, objective, sampled_rows(chosen), self.target.multipliers)
        moved = None if objective.labels is not None else shifts.displacements
        return Worth(Estimated(found.value, shifts.deviations), Estimated(found.change.displacement, moved))

    def slopes(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Part -> how fast the value's coordinate (`linearised.py`) rises with its weight, lambda held; NaN where unknown.

        One factor for all parts. Raises as `worth`.
        """
        at = self._at(weights)
        regression, scale, damping = self._regression(self._counted(at), at, 1.0)
        change = regression_value(regression, self.target.objective, damping).change
        if change.found is None:
            raise ShapeError("slopes need the factor that solved the system, found none.")
        by_outputs = self.target.objective.linearised(change.values).gradient
        solved = linalg.cho_solve((change.found.factor, True), regression.left.T @ by_outputs, check_finite=False)
        solution = change.found.solution
        return {name: scale * float((solved * (part.cross - part.gram @ solution)).sum()) for name, part in self.parts.items()}

    def _at(self, weights: Mapping[str, float]) -> dict[str, float]:
        return {name: float(weights.get(name, 1.0)) for name in self.parts}

    def _counted(self, at: Mapping[str, float]) -> dict[str, MixedPart]:
        return {name: part for name, part in self.parts.items() if at[name] > 0}

    def _regression(
        self, counted: Mapping[str, MixedPart], at: Mapping[str, float], copies: float
    ) -> tuple[KernelRegression, float, float]:
        """The regression in units of as many rows as were measured, those units, and `damping` in them.

        c A + lambda I is a multiple of A s + (lambda s / c) I, whatever s is: with s such that n rows are counted, `copies`
        and the number of rows counted act through lambda alone.
        """
        n = sum(part.measured for part in counted.values())
        rows, represented = (
            sum(at[name] * getattr(part, field) for name, part in counted.items()) for field in ("measured", "admitted")
        )
        scale = n / rows
        q, c = next(iter(counted.values())).cross.shape
        gram, cross = np.zeros((q, q)), np.zeros((q, c))
        for name, part in counted.items():
            gram += at[name] * scale * part.gram
            cross += at[name] * scale * part.cross
        if not float(np.trace(gram)) > 0:
            raise NumericalError(f"the gradients of all {n} rows of a mixture are zero, so damping has no scale.")
        total = cross.sum(axis=1) / scale  # Phi'1 where responses are labels
        common = float(total @ total) / (represented * rows)
        features = self.target.features.astype(np.float64)
        regression = KernelRegression(gram, cross, features, n, is_kernel=False, common=common)
        return regression, scale, self.target.damping * scale / copies


@dataclass(frozen=True)
class Best:
    """The weight of a curve at which its value is highest, and what follows."""

    place: int
    """Of the weight in the curve."""
    weight: float
    low: float | None
    """Lower end of its interval; None where it is unknown."""
    high: float | None
    value: float
    """At that weight."""
    gain: Estimated
    """By that weight over weight 1."""
    is_at_end: bool
    """Whether it is the last weight of the curve, so that a higher one may be better."""


def best_weight(weights: Floats, values: Floats, deviations: Floats | None, confidence: float) -> Best | None:
    """Of a curve over (W,) ascending weights, of which one is 1: (W,) values and (R, W) deviations of replicates.

    The best is one of the weights: between them values may bend where every row of T is right. Its interval is that of the best
    weights of the replicates' curves, and holds no weight between. None where a value is not known.
    """
    if not np.isfinite(values).all():
        return None
    at_one = int(np.flatnonzero(weights == 1.0)[0])
    shifts = deviations if deviations is not None and np.isfinite(deviations).all() else None
    place = int(_highest(values[None], at_one, weights)[0])
    gain = Estimated(float(values[place] - values[at_one]), None if shifts is None else shifts[:, place] - shifts[:, at_one])
    low = high = None
    if shifts is not None:
        found = np.sort(weights[_highest(values + shifts, at_one, weights)])
        low, high = (float(np.quantile(found, (1 + side * confidence) / 2, method="closest_observation")) for side in (-1, 1))
        low, high = min(low, float(weights[place])), max(high, float(weights[place]))
    return Best(place, float(weights[place]), low, high, float(values[place]), gain, place == len(weights) - 1)


def _highest(curves: Floats, at_one: int, weights: Floats) -> npt.NDArray[np.int64]:
    """(R,) places of the highest of each curve; of equally high ones, up to rounding, the one nearest to weight 1."""
    order = np.argsort(np.abs(weights - weights[at_one]), kind="stable")
    least = curves.max(axis=1) - SAME * np.abs(curves).max(axis=1)
    return np.asarray(order[(curves[:, order] >= least[:, None]).argmax(axis=1)])


def synthetic_share(n_real: int, n_synthetic: int, weight: float) -> float:
    """Share of synthetic rows where each counts `weight` times."""
    return weight * n_synthetic / (n_real + weight * n_synthetic)
