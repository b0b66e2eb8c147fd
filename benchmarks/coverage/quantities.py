"""Every quantity whose interval is measured, from one draw of two contributors and a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from benchmarks.coverage.draws import (
    Estimate,
    Sample,
    embedded_mmd,
    gain,
    game_of,
    label_value,
    loss,
    mmd,
    ntk,
    sketched_value,
    value_of_rows_read,
    weighted,
)
from mixval.terms.ntk.value import run_values
from mixval.terms.ntk.value_spread import ValueSpread
from mixval.valuation.regression_coalitions import RegressionGame


class Setting(NamedTuple):
    """How rows are drawn."""

    n: int
    """Rows of a contributor."""
    m: int
    """Rows of the target."""
    noise: float
    """Share of labels drawn anew; -1: all wrong."""
    shift: float
    """How far the contributor's first feature is shifted from the target's, roughly in standard deviations."""


@dataclass(frozen=True)
class Draw:
    """Two contributors and a target. What several quantities share is made once."""

    setting: Setting
    one: Sample
    other: Sample
    target: Sample
    seed: int

    @cached_property
    def values(self) -> list[tuple[float, ValueSpread]]:
        """Of both contributors."""
        return [label_value(own, self.target) for own in (self.one, self.other)]

    @cached_property
    def game(self) -> RegressionGame:
        """Over both contributors."""
        return game_of([self.one, self.other], self.target)

    @cached_property
    def weighted(self) -> Estimate:
        """The value of both, the other's rows counted `WEIGHT` times."""
        return weighted(self.one, self.other, self.target, WEIGHT)

    @cached_property
    def gains(self) -> list[tuple[float, float, ValueSpread]]:
        """Of both, as of causal LMs."""
        return [gain(own, self.target) for own in (self.one, self.other)]


def _value(of: Draw) -> Estimate:
    value, spread = of.values[0]
    return Estimate(value, spread.deviations)


def _difference(of: Draw) -> Estimate:
    (value, spread), (other, spread_other) = of.values
    return Estimate(value - other, spread.deviations - spread_other.deviations)


def _union(of: Draw) -> Estimate:
    both, game = np.ones(2, dtype=np.bool_), of.game
    return Estimate(game.value(both), _deviations(game, both))


def _leave_one_out(of: Draw) -> Estimate:
    both, one, game = np.ones(2, dtype=np.bool_), np.array([True, False]), of.game
    return Estimate(game.value(both) - game.value(one), _deviations(game, both) - _deviations(game, one))


def _weighted(of: Draw) -> Estimate:
    return of.weighted


def _weight_gain(of: Draw) -> Estimate:
    there, as_it_is = of.weighted, _union(of)
    return Estimate(there.value - as_it_is.value, there.deviations - as_it_is.deviations)


def _deviations(game: RegressionGame, members: np.ndarray) -> np.ndarray:
    found = game.deviations(members)
    return np.zeros(0) if found is None else found


def _rows_read(of: Draw) -> Estimate | None:
    n = of.setting.n
    return value_of_rows_read(of.one, of.target, n // 2) if n >= LEAST_READ else None


def _gain(of: Draw) -> Estimate:
    value, _, spread = of.gains[0]
    return Estimate(value, spread.deviations)


def _penalised(of: Draw) -> Estimate:
    gains, moved, spreads = zip(*of.gains, strict=True)
    found = run_values(
        gains,
        np.stack([one.deviations for one in spreads], axis=1),
        moved,
        np.stack([one.displacements for one in spreads], axis=1),
    )
    deviations = np.zeros(0) if found.deviations is None else found.deviations[:, 0]
    return Estimate(float(found.values[0]), deviations)


WEIGHT = 3.0
"""Times that a contributor's rows count in a mixture."""
LEAST_READ = 100
"""Rows from which the rows read are more than those with gradients."""
CONTRIBUTORS_PART = "value-contributors-part"
"""The value's interval by contributors' rows alone, under one target at a time: drawn apart from the others."""
QUANTITIES: dict[str, Callable[[Draw], Estimate | None]] = {
    "value": _value,
    "difference": _difference,
    "value-sketched": lambda of: sketched_value(of.one, of.target),
    "value-rows-read": _rows_read,
    "union": _union,
    "leave-one-out": _leave_one_out,
    "mixture": _weighted,
    "mixture-gain": _weight_gain,
    "gain": _gain,
    "gain-penalised": _penalised,
    "discrepancy": lambda of: mmd(of.one, of.target),
    "discrepancy-random-features": lambda of: embedded_mmd(of.one, of.target, of.seed),
    "loss": lambda of: loss(of.one),
    "ntk": lambda of: ntk(of.one),
}
"""By name; None where a quantity is not defined in a setting."""
