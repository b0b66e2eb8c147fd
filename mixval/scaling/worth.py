"""What more of a mixture is worth in the reference's data, and from where on it is worth little.

    L_mixture(D) = L_reference(m(D)),   rate(D) = d log m / d log D

A rate of 1: one per cent more of the mixture does what one per cent more of the reference would. Where it is below one half
for good, the mixture has stopped paying: that is its plateau (`effective_rows.py` has the same of Lemma 1's curves). m is
looked for as far as something is said of the reference, and no farther.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixval.errors import ConfigError
from mixval.scaling.advice import common_range, curve, drawn_curves
from mixval.scaling.laws import Floats
from mixval.scaling.prediction import MOST_FACTOR, Interval
from mixval.scaling.studying import Fitted, spread

PLACES = 120
HALF = 0.5
LEAST_SHARE = 0.9
"""Share of draws that must say something before anything is said."""
GAINING, PLATEAU, BETWEEN, TOO_FAR = "still gaining", "on a plateau", "cannot be told", "too far to say"


@dataclass(frozen=True)
class Worth:
    """One mixture at the planned budget, against the reference."""

    mixture: str
    rate: Interval | None
    """None where it is too far to say."""
    phase: str
    """Still gaining where the whole interval is above one half, on a plateau where it is below, else it cannot be told."""
    stop: Interval | None
    """Tokens beyond which the rate stays below one half, within what is said; None where most draws have no such place."""


def worths(
    mixtures: Sequence[Fitted], tokens: float, params: float | None, reference: str, most_factor: float = MOST_FACTOR
) -> list[Worth]:
    """All mixtures but the reference, in their order. Raises ConfigError where no mixture has the reference's name."""
    by_name = {one.runs.mixture: one for one in mixtures}
    if reference not in by_name:
        raise ConfigError(f"--reference: expected one of {', '.join(by_name)}, found {reference!r}.")
    against = by_name[reference]
    return [_worth(one, against, tokens, params, most_factor) for one in mixtures if one is not against]


def _worth(one: Fitted, reference: Fitted, tokens: float, params: float | None, most_factor: float) -> Worth:
    low, high = common_range(one, reference, most_factor)
    if not low < tokens < high:
        return Worth(one.runs.mixture, None, TOO_FAR, None)
    own = reference.runs.columns["tokens"]
    places = np.geomspace(low, high, PLACES)
    wanted = np.geomspace(float(own.min()) / most_factor, float(own.max()) * most_factor, 4 * PLACES)
    middle = _rates(places, np.log(curve(one.fit, places, params)), wanted, np.log(curve(reference.fit, wanted, params)))
    pairs = zip(drawn_curves(one, places, params), drawn_curves(reference, wanted, params), strict=True)
    drawn = np.array([_rates(places, own_row, wanted, row) for own_row, row in pairs])
    stop = _stopped(_stop(places, middle), [_stop(places, row) for row in drawn])
    at = _at(places, middle, tokens)
    all_at = np.array([_at(places, row, tokens) for row in drawn])
    if not np.isfinite(at) or np.isfinite(all_at).mean() < LEAST_SHARE:
        return Worth(one.runs.mixture, None, TOO_FAR, stop)
    rate = Interval(at, *spread(all_at))
    phase = GAINING if rate.low >= HALF else PLATEAU if rate.high < HALF else BETWEEN
    return Worth(one.runs.mixture, rate, phase, stop)


def _rates(places: Floats, losses: Floats, wanted: Floats, reference: Floats) -> Floats:
    """d log m / d log D at each place, (J,), from log losses of both curves; NaN where the reference has no such loss."""
    logs = np.interp(-losses, -reference, np.log(wanted), left=np.nan, right=np.nan)
    rates: Floats = np.gradient(logs, np.log(places))
    return rates


def _stopped(middle: float | None, drawn: Sequence[float | None]) -> Interval | None:
    known = [place for place in drawn if place is not None]
    if middle is None or len(known) < LEAST_SHARE * len(drawn):
        return None
    return Interval(middle, *spread(np.array(known)))


def _at(places: Floats, rates: Floats, tokens: float) -> float:
    return float(np.interp(np.log(tokens), np.log(places), rates))


def _stop(places: Floats, rates: Floats) -> float | None:
    """The first place from which on all known rates are below one half."""
    known = np.flatnonzero(np.isfinite(rates))
    if not len(known) or rates[known[-1]] >= HALF:
        return None
    above = known[rates[known] >= HALF]
    return None if not len(above) else float(places[above[-1] + 1])
