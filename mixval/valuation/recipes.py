"""Which parts of which contributors to take, and how often each of their rows, for a training on so many rows: greedily.

Letters: j a part of a contributor, with N_j rows; s_j the size of one, in the budget's unit (1, or tokens); n_j rows of it that
are taken, at most a multiple of N_j; B the budget, so that the sum of s_j n_j is at most B.

The budget is given out in equal steps. Each step goes to the part that raises the value most: parts are ordered by the slope of
the value in their rows, at one factor for all of them,

    d F = Phi_T (A + lambda I)^-1 (b_j - A_j x),        x = (A + lambda I)^-1 b,   lambda held,

weighed by the derivative of the value (`linearised.py`), and the first few are valued exactly. The first step values all parts.
A greedy search looks one step ahead, so another recipe may be worth more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mixval.errors import NumericalError
from mixval.valuation.mixtures import Mixtures, Worth

STEPS = 20
"""Steps in which a budget is given out."""
TRIED = 3
"""Parts that are valued exactly at each step, by the steepest slopes."""


@dataclass(frozen=True)
class Recipe:
    """What to take."""

    weights: dict[str, float]
    """Part -> n_j / N_j, times each of its rows is drawn; those that are taken, first taken first."""
    worth: Worth
    """Of the recipe, with replicates where there are any."""
    spent: float
    """Of the budget; less than it where all rows are taken as often as they may be."""


def greedy_recipe(
    mixtures: Mixtures, sizes: Mapping[str, float], budget: float, most_repeats: float, steps: int = STEPS
) -> Recipe:
    """The recipe for a budget above 0, with each row at most `most_repeats` times; `sizes` are those of a row of each part.

    Parts whose gradients are all zero are left out. Raises NumericalError where none is left.
    """
    room = {name: most_repeats * part.admitted * sizes[name] for name, part in mixtures.parts.items()}
    left, weights = min(budget, sum(room.values())), dict[str, float]()
    step, useless = left / steps, set[str]()
    while left > 1e-9 * budget:
        names = [name for name in room if name not in useless and room[name] > 1e-9 * budget]
        found = dict[str, tuple[float, dict[str, float]]]()
        for name in _steepest(mixtures, weights, names, sizes) if weights else names:
            given = min(step, room[name], left)
            tried = weights | {name: weights.get(name, 0.0) + given / (sizes[name] * mixtures.parts[name].admitted)}
            try:
                found[name] = (_worth(mixtures, tried, spread=False).value.value, tried)
            except NumericalError:
                useless.add(name)
        if not found:
            if any(name not in useless for name in names):
                continue  # the steepest were of no use: others are tried
            break
        best = max(found, key=lambda name: found[name][0])
        given = min(step, room[best], left)
        weights, left, room[best] = found[best][1], left - given, room[best] - given
    if not weights:
        raise NumericalError("a recipe needs a part with a value, found none: the gradients of all parts are zero.")
    spent = sum(weight * sizes[name] * mixtures.parts[name].admitted for name, weight in weights.items())
    return Recipe(weights, _worth(mixtures, weights, spread=True), spent)


def proportional(mixtures: Mixtures, sizes: Mapping[str, float], budget: float, most_repeats: float) -> Worth:
    """What the same budget is worth where it goes to all parts alike, each row equally often."""
    everything = sum(part.admitted * sizes[name] for name, part in mixtures.parts.items())
    share = min(budget / everything, most_repeats)
    return _worth(mixtures, dict.fromkeys(mixtures.parts, share), spread=True)


def _steepest(mixtures: Mixtures, weights: Mapping[str, float], names: list[str], sizes: Mapping[str, float]) -> list[str]:
    """The `TRIED` of these parts with the steepest slopes a unit of the budget."""
    slopes = mixtures.slopes(_all(mixtures, weights))
    steepness = {name: slopes[name] / (sizes[name] * mixtures.parts[name].admitted) for name in names}
    known = {name: slope if math.isfinite(slope) else -math.inf for name, slope in steepness.items()}
    return sorted(known, key=lambda name: -known[name])[:TRIED]


def _worth(mixtures: Mixtures, weights: Mapping[str, float], spread: bool) -> Worth:
    return mixtures.drawn(_all(mixtures, weights), spread=spread)


def _all(mixtures: Mixtures, weights: Mapping[str, float]) -> dict[str, float]:
    return {name: weights.get(name, 0.0) for name in mixtures.parts}
