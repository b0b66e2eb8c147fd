"""A game from a plain function of coalitions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mixval.valuation.shapley import Members, Order


@dataclass(frozen=True)
class SetGame:
    """Every prefix is valued anew."""

    function: Callable[[Members], float]
    """v of the players marked in (K,) bool, at least one."""
    empty_value: float
    n_players: int

    def empty(self) -> float:
        return self.empty_value

    def value(self, members: Members) -> float:
        return self.function(members)

    def prefixes(self, order: Order) -> Iterator[float]:
        members = np.zeros(self.n_players, dtype=np.bool_)
        for player in order:
            members[player] = True
            yield self.function(members.copy())
