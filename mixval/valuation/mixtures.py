"""Values of mixtures by NTK regression: rows of each part counted so many times, or a random share of them drawn.

Letters: p a part, real or synthetic, with N_p rows, n_p of them measured; A_p = Phi'Phi and c_p = Phi'R over them, each row
weighted by N_p / n_p; w_p >= 0 its weight; f_p its share; m rows of T; C responses; R replicates.

    v(w) = the objective on T of F = Phi_T (A + lambda I)^-1 b,      A = sum of w_p A_p,   b = sum of w_p c_p

For whole weights that is the regression on rows that are repeated as often, lambda included: its reference is the mean over
rows as they are counted, as for any rows (`regression.py`). So w = 1 is the value of both parts, and w = 0 of a part that of
the other alone, each at its own lambda; one held at that of w = 1 would give a part alone two values. Weights that are all
multiplied by c leave lambda as it is: c times as many rows against the same lambda.

A random share f_p of a part's rows is noisier than these rows counted f_p times: `drawn_rows.py` has weights u_p in place of
f_p, and what the draw adds to F. A share above 1 is counted, of rows like these that nobody has seen.

Effects of rows are those of a row with all of its copies: repeating rows adds no information, so it narrows no interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from mixval.errors import NumericalError, ShapeError
from mixval.terms.ntk.regression import KernelRegression, RowsOfS, regression_shift
from mixval.terms.ntk.value import RegressionValue, regression_value
from mixval.terms.ntk.value_spread import value_spread
from mixval.valuation.drawn_rows import drawn_effects, equivalent_weight, mean_length, mean_over_draws
from mixval.valuation.estimates import Floats
from mixval.valuation.marginal import Estimated
from mixval.valuation.players import Player, TargetSide
from mixval.valuation.regression_coalitions import EffectRows, sampled_rows

WEIGHTS = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Weights of the synthetic part at which a curve is computed."""
EQUIVALENT_STEPS, SETTLED = 8, 0.01
"""Factorisations at most that find the weights of drawn shares, and the relative change at which they are found."""
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

    def worth(self, weights: Mapping[str, float], spread: bool = True) -> Worth:
        """Of each part's rows counted by its weight, those not named once; with `spread` with replicates.

        Raises ShapeError for weights that are negative or all 0, NumericalError where all gradients are zero.
        """
        at = self._at(weights)
        return self._worth(at, *self._solved(at, self._damping(at)), spread)

    def drawn(self, shares: Mapping[str, float], spread: bool = True) -> Worth:
        """Of a random share of each part's rows, of those not named all: the mean over draws. A share above 1 counts rows.

        Replicates say how far rows and T may be off, not how draws differ. Where no rows of a part are looked at its share
        is counted, too. Raises as `worth`.
        """
        at = self._at(shares)
        damping, weights = self._damping(at), dict(at)
        looked = {name: self._looked_at(name) for name, part in self.parts.items() if 0 < at[name] < 1 and part.rows}
        for _ in range(EQUIVALENT_STEPS):
            regression, found = self._solved(weights, damping)
            reach = {name: regression.reach(found.change, rows) for name, (rows, _) in looked.items()}
            following = {name: equivalent_weight(at[name], weights[name], one.leverages) for name, one in reach.items()}
            if all(abs(one - weights[name]) <= SETTLED * weights[name] for name, one in following.items()):
                break
            weights |= following
        worth = self._worth(weights, regression, found, spread)
        noise = [drawn_effects(at[name], weights[name], reach[name], stand) for name, (_, stand) in looked.items()]
        if not noise:
            return worth
        return Worth(
            Estimated(mean_over_draws(found.change.values, noise, self.target.objective), worth.value.deviations),
            Estimated(mean_length(worth.displacement.value, noise), worth.displacement.deviations),
        )

    def slopes(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Part -> how fast the value's coordinate (`linearised.py`) rises with its weight, lambda held; NaN where unknown.

        One factor for all parts. Raises as `worth`.
        """
        at = self._at(weights)
        regression, found = self._solved(at, self._damping(at))
        change = found.change
        if change.found is None:
            raise ShapeError("slopes need the factor that solved the system, found none.")
        by_outputs = self.target.objective.linearised(change.values).gradient
        solved = linalg.cho_solve((change.found.factor, True), regression.left.T @ by_outputs, check_finite=False)
        solution = change.found.solution
        return {name: float((solved * (part.cross - part.gram @ solution)).sum()) for name, part in self.parts.items()}

    def _at(self, weights: Mapping[str, float]) -> dict[str, float]:
        at = {name: float(weights.get(name, 1.0)) for name in self.parts}
        if min(at.values()) < 0 or not max(at.values()) > 0:
            raise ShapeError(f"a mixture: expected weights of 0 or more, one of them above 0, found {at}.")
        return at

    def _worth(self, at: Mapping[str, float], regression: KernelRegression, found: RegressionValue, spread: bool) -> Worth:
        chosen = [
            replace(one, weights=one.weights * at[name])
            for name, part in self.parts.items()
            if at[name] > 0
            for one in part.rows
        ]
        if not (spread and chosen and len(self.target.multipliers)):
            return Worth(Estimated(found.value, None), Estimated(found.change.displacement, None))
        objective = self.target.objective
        shifts = value_spread(regression, found, objective, sampled_rows(chosen), self.target.multipliers)
        moved = None if objective.labels is not None else shifts.displacements
        return Worth(Estimated(found.value, shifts.deviations), Estimated(found.change.displacement, moved))

    def _looked_at(self, name: str) -> tuple[RowsOfS, Floats]:
        """Rows of a part as its sums count them, and the roots of how many each stands for."""
        sampled = sampled_rows(self.parts[name].rows)
        return sampled.rows, np.ones(0) if sampled.scales is None else sampled.scales

    def _damping(self, at: Mapping[str, float]) -> float:
        """lambda, by the mean over rows as they are counted."""
        rows, represented, trace = (
            sum(weight * one for weight, one in zip(at.values(), given, strict=True))
            for given in (
                [part.measured for part in self.parts.values()],
                [part.admitted for part in self.parts.values()],
                [float(np.trace(part.gram)) for part in self.parts.values()],
            )
        )
        if not trace > 0:
            raise NumericalError(f"the gradients of all {rows:g} rows of a mixture are zero, so damping has no scale.")
        total = np.sum([at[name] * part.cross.sum(axis=1) for name, part in self.parts.items()], axis=0)  # Phi'1 where labels
        common = float(total @ total) / (represented * rows)
        return regression_shift(trace / rows, common, math.ceil(rows), self.target.damping, self.target.objective.mode)

    def _solved(self, at: Mapping[str, float], damping: float) -> tuple[KernelRegression, RegressionValue]:
        q, c = next(iter(self.parts.values())).cross.shape
        gram, cross, n = np.zeros((q, q)), np.zeros((q, c)), 0
        for name, part in self.parts.items():
            if at[name] > 0:
                gram += at[name] * part.gram
                cross += at[name] * part.cross
                n += part.measured
        regression = KernelRegression(gram, cross, self.target.features.astype(np.float64), n, is_kernel=False)
        return regression, regression_value(regression, self.target.objective, damping, "absolute")


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
