"""Shapley values within a number of coalitions: from all of them where they are that few, else from random orders.

Letters: K players; m coalitions that may be valued.
"""

import math
from dataclasses import dataclass
from typing import Literal

from mixval.errors import ConfigError
from mixval.valuation.estimates import Floats
from mixval.valuation.shapley import MOST_EXACT, Game, SampledShapley, exact_shapley, sampled_shapley

TOLERANCE = 0.1
"""Largest standard error, over the values' standard deviation, at which sampling ends."""


@dataclass(frozen=True)
class ShapleyValues:
    """Shapley values, and how they were computed."""

    method: Literal["exact", "sampled"]
    values: Floats
    """(K,)."""
    n_coalitions: int
    """Coalitions that were valued, each counted once, the empty one and that of all included."""
    sampled: SampledShapley | None
    """Standard errors and their course; None where exact."""


def shapley(game: Game, n_players: int, coalitions: int, seed: int, tolerance: float | None = TOLERANCE) -> ShapleyValues:
    """Exact values where K is at most `MOST_EXACT` and all 2^K coalitions are at most `coalitions`; else sampled ones.

    Sampling takes at most as many random orders, each with its reverse, as `coalitions` pay for, four at least, and ends
    within the tolerance of `sampled_shapley`. Where all coalitions are no more than those of four orders, values are exact.
    Raises ConfigError for less than one coalition, and what the two raise.
    """
    if coalitions < 1:
        raise ConfigError(
            f"Shapley values: expected at least 1 coalition to value, found {coalitions}. Set `value.coalitions`."
        )
    orders = shapley_orders(n_players, coalitions)
    if n_players <= MOST_EXACT and 2**n_players <= max(coalitions, orders * n_players):
        return ShapleyValues("exact", exact_shapley(game, n_players), 2**n_players, None)
    found = sampled_shapley(game, n_players, orders, seed, tolerance=tolerance)
    return ShapleyValues("sampled", found.values, found.n_coalitions, found)


def shapley_orders(n_players: int, coalitions: int) -> int:
    """Orders, each with its reverse, that about `coalitions` coalitions pay for; at least 4, so that errors can be
    estimated.
    """
    return max(4, 2 * math.floor(coalitions / (2 * n_players)))
