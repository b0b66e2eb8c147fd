"""What curves of mixtures say of a plan: the best mixture there, crossings, data saved, what the next data buys.

Curves are compared along data D at one model size (where the law knows sizes). Nothing is said beyond `most_factor` times the
runs: a formula would give a ratio of 254 where a mixture's curve lies below the other's asymptote.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixval.errors import ConfigError
from mixval.scaling.fitting import Fit
from mixval.scaling.laws import Floats
from mixval.scaling.prediction import MOST_FACTOR, Interval, stretch
from mixval.scaling.studying import Fitted, spread

GRID = 400
MORE = 1.1
"""The next data: ten per cent more."""
STEP_ASIDE = 1e-3
"""Relative distance from a crossing at which it is seen which curve is the lower one."""
SEEN_SHARE = 0.5
"""Share of draws that must have a crossing for an interval of its place."""


@dataclass(frozen=True)
class Crossing:
    """Where two mixtures' curves meet: the first is better below, the second above."""

    below: str
    above: str
    tokens: float
    low: float | None
    high: float | None
    share: float
    """Of the draws, that have a crossing within the range looked at."""


@dataclass(frozen=True)
class Standing:
    """One mixture at the planned budget."""

    mixture: str
    loss: Interval | None
    """None where it is too far to say."""
    reason: str
    best_share: float | None
    """Share of draws in which it is the best of those of which something is said."""
    saved: Interval | None
    """Tokens of the reference's that give what the plan gives here, as a multiple of the plan's; None where it is too far."""
    next_data: Interval | None
    """Change of the loss by ten per cent more data."""


def curve(fit: Fit, tokens: Floats, params: float | None) -> Floats:
    """Losses along D, (m,)."""
    return fit.predict(_at(fit, tokens, params))


def tokens_for(fit: Fit, loss: float, low: float, high: float, params: float | None = None) -> float | None:
    """D in [low, high] at which the curve reaches a loss; None where it does not."""
    ends = curve(fit, np.array([low, high]), params)
    if not ends[1] <= loss <= ends[0]:
        return None
    lower, upper = math.log(low), math.log(high)
    for _ in range(80):
        middle = (lower + upper) / 2
        lower, upper = (middle, upper) if curve(fit, np.array([math.exp(middle)]), params)[0] > loss else (lower, middle)
    return math.exp((lower + upper) / 2)


def crossings_of(one: Fit, other: Fit, low: float, high: float, params: float | None = None) -> list[float]:
    """All D in [low, high] where two curves meet, smallest first."""
    tokens = np.geomspace(low, high, GRID)
    return _roots(tokens, np.log(curve(one, tokens, params)) - np.log(curve(other, tokens, params)))


def crossings(one: Fitted, other: Fitted, params: float | None = None, most_factor: float = MOST_FACTOR) -> list[Crossing]:
    """The same with intervals from paired draws, within the range of which both say something."""
    low, high = common_range(one, other, most_factor)
    if low >= high:
        return []
    tokens = np.geomspace(low, high, GRID)
    drawn = drawn_curves(one, tokens, params) - drawn_curves(other, tokens, params)
    found = []
    for place in crossings_of(one.fit, other.fit, low, high, params):
        near = [min(roots, key=lambda at: abs(math.log(at / place))) for row in drawn if (roots := _roots(tokens, row))]
        share = len(near) / len(drawn)
        low_end, high_end = spread(np.array(near)) if share >= SEEN_SHARE else (None, None)
        below = np.array([place / (1 + STEP_ASIDE)])
        first = curve(one.fit, below, params)[0] < curve(other.fit, below, params)[0]
        names = (one.runs.mixture, other.runs.mixture) if first else (other.runs.mixture, one.runs.mixture)
        found.append(Crossing(names[0], names[1], place, low_end, high_end, share))
    return found


def standings(
    mixtures: Sequence[Fitted], tokens: float, params: float | None, reference: str, most_factor: float = MOST_FACTOR
) -> list[Standing]:
    """All mixtures at the plan, the best first; those of which nothing is said last.

    Raises ConfigError where no mixture has the reference's name.
    """
    by_name = {one.runs.mixture: one for one in mixtures}
    if reference not in by_name:
        raise ConfigError(f"--reference: expected one of {', '.join(by_name)}, found {reference!r}.")
    plan = np.array([tokens])
    said = [one for one in mixtures if not one.too_far(_at(one.fit, plan, params), most_factor)]
    drawn = np.stack([drawn_curves(one, plan, params)[:, 0] for one in said], axis=1) if said else np.zeros((1, 0))
    wins = np.bincount(drawn.argmin(axis=1), minlength=len(said)) / len(drawn) if said else np.zeros(0)
    shares = {one.runs.mixture: float(share) for one, share in zip(said, wins, strict=True)}
    found = [_standing(one, by_name[reference], plan, params, most_factor, shares) for one in mixtures]
    return sorted(found, key=lambda one: math.inf if one.loss is None else one.loss.value)


def _standing(
    one: Fitted, reference: Fitted, plan: Floats, params: float | None, most_factor: float, shares: dict[str, float]
) -> Standing:
    point = _at(one.fit, plan, params)
    if reason := one.too_far(point, most_factor):
        return Standing(one.runs.mixture, None, reason, None, None, None)
    middle = curve(one.fit, plan, params)[0]
    drawn = np.exp(drawn_curves(one, plan, params)[:, 0])
    more = np.log(curve(one.fit, plan * MORE, params)[0] / middle)
    drawn_more = drawn_curves(one, plan * MORE, params)[:, 0] - drawn_curves(one, plan, params)[:, 0]
    return Standing(
        one.runs.mixture,
        one.predict(point, most_factor),
        "",
        shares[one.runs.mixture],
        None if one is reference else _saved(reference, float(plan[0]), float(middle), drawn, params, most_factor),
        Interval(float(np.expm1(more)), *spread(np.expm1(drawn_more))),
    )


def _saved(
    reference: Fitted, plan: float, loss: float, drawn: Floats, params: float | None, most_factor: float
) -> Interval | None:
    """Tokens of the reference that give this loss, over the plan's. None beyond what the reference says anything of."""
    own = reference.runs.columns["tokens"]
    low, high = float(own.min()) / most_factor, float(own.max()) * most_factor
    found = tokens_for(reference.fit, loss, low, high, params)
    if found is None:
        return None
    tokens = np.geomspace(low, high, GRID)
    curves = np.exp(drawn_curves(reference, tokens, params))
    logs = np.log(tokens)
    needed = [np.interp(-one, -row, logs, left=np.nan, right=np.nan) for one, row in zip(drawn, curves, strict=True)]
    known = np.exp(np.array(needed)) / plan
    if np.isfinite(known).mean() < 1 - SEEN_SHARE / 5:  # the interval's end lies where nothing is said
        return None
    return Interval(found / plan, *spread(known))


def drawn_curves(one: Fitted, tokens: Floats, params: float | None) -> Floats:
    """Log losses of the draws along D, (R, m), widened as predictions are."""
    columns = _at(one.fit, tokens, params)
    middle = np.log(one.fit.predict(columns))
    ends = [{name: values[[at]] for name, values in columns.items()} for at in (0, -1)]
    axes = sorted({axis for end in ends for axis in one.axes_beyond(end)})
    widened: Floats = middle + stretch(one.wide, axes) * (np.log(one.draws.predict(columns)) - middle)
    return widened


def _at(fit: Fit, tokens: Floats, params: float | None) -> dict[str, Floats]:
    inputs = fit.law.inputs
    if "tokens" not in inputs:
        raise ConfigError(
            f"advice: expected a law of data, found {fit.law.formula}. Name a column of training tokens with --data."
        )
    if ("params" in inputs) and params is None:
        raise ConfigError("advice: expected the planned model's size, found none. Give --at-params.")
    given = {"tokens": tokens, "unique_tokens": tokens}
    if params is not None:
        given["params"] = np.full(len(tokens), params)
    return {name: given[name] for name in inputs}


def common_range(one: Fitted, other: Fitted, most_factor: float) -> tuple[float, float]:
    """The D of which something is said of both."""
    ends = [(float(tokens.min()), float(tokens.max())) for tokens in (one.runs.columns["tokens"], other.runs.columns["tokens"])]
    return max(low for low, _ in ends) / most_factor, min(high for _, high in ends) * most_factor


def _roots(tokens: Floats, gap: Floats) -> list[float]:
    """Places where a difference along D changes sign, straight between grid points in log D."""
    at = np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0)
    logs = np.log(tokens)
    share = gap[at] / (gap[at] - gap[at + 1])
    return [float(place) for place in np.exp(logs[at] + share * (logs[at + 1] - logs[at]))]
