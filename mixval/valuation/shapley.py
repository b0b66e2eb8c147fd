"""Games of contributors: Shapley values (exact or sampled), leave-one-out, and the greedy order.

Letters: K players; v(S) value of a coalition S, higher is better; v() of nobody is the game's own to say.

    exact     phi_k = sum over S without k of |S|! (K - |S| - 1)! / K! (v(S + k) - v(S))              (Shapley 1953)
    sampled   the mean over random orders of v(k and those before k) - v(those before k)              (Castro et al. 2009)

Antithetic sampling takes every order together with its reverse (Mitchell et al., JMLR 23, 2022): interactions between two
players then cancel exactly. The two are dependent, so standard errors come from pairs. Every order's marginals add up to
v(all) - v(), hence so do the estimates.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixval.errors import ConfigError, NumericalError, ShapeError
from mixval.seeds import generator
from mixval.valuation.estimates import Floats

Members = NDArray[np.bool_]
Order = NDArray[np.int64]
MOST_EXACT = 12
"""Players up to which all 2^K coalitions are valued: 4,096 of them."""
FEWEST_TO_STOP = 16
"""Independent draws before a tolerance may end the sampling: standard errors of fewer are too rough to stop on."""


class Game(Protocol):
    """Values of coalitions. One that grows player by player may be cheaper to follow with `prefixes` than to start anew."""

    def empty(self) -> float:
        """v of nobody."""
        ...

    def value(self, members: Members) -> float:
        """v of the players that `members` (K,) marks, at least one."""
        ...

    def prefixes(self, order: Order) -> Iterator[float]:
        """v(order[:1]), v(order[:2]) and so on to v(order), each computed when it is asked for."""
        ...


@dataclass(frozen=True)
class SetGame:
    """A game from a plain function of coalitions: every prefix is valued anew."""

    function: Callable[[Members], float]
    """v of the players marked in (K,) bool, at least one."""
    empty_value: float
    n_players: int

    def empty(self) -> float:
        """v of nobody."""
        return self.empty_value

    def value(self, members: Members) -> float:
        """v of the marked players."""
        return self.function(members)

    def prefixes(self, order: Order) -> Iterator[float]:
        """v of the growing prefixes of an order."""
        members = np.zeros(self.n_players, dtype=np.bool_)
        for player in order:
            members[player] = True
            yield self.function(members.copy())


@dataclass(frozen=True)
class SampledShapley:
    """Estimated Shapley values, and how they came about as orders were added."""

    values: Floats
    """(K,)."""
    standard_errors: Floats
    """(K,) of `values`, from independent orders, or pairs of an order and its reverse."""
    permutations: int
    """Orders used, reverses included; fewer than asked for where `is_within_tolerance`."""
    is_within_tolerance: bool
    """Whether the largest standard error is at most the tolerance that was asked for; False without one."""
    steps: NDArray[np.int64]
    """(P,) numbers of orders at which the running estimates were taken: doubling, and the last."""
    running_values: Floats
    """(P, K); the last row is `values`."""
    running_errors: Floats
    """(P, K) standard errors; the last row is `standard_errors`."""


@dataclass(frozen=True)
class GreedyOrder:
    """Players in the order in which a forward greedy search takes them."""

    order: Order
    """(size,)."""
    values: Floats
    """(size,) v of the coalition after each step."""


def exact_shapley(game: Game, n_players: int) -> Floats:
    """(K,) Shapley values from all 2^K coalitions, each valued once.

    Raises ConfigError above `MOST_EXACT` players; NumericalError when a value is not finite.
    """
    _check_players(n_players)
    if n_players > MOST_EXACT:
        raise ConfigError(
            f"exact Shapley values: expected at most {MOST_EXACT} players, found {n_players}, which is {2**n_players} "
            f"coalitions. Use `sampled_shapley`."
        )
    codes = np.arange(2**n_players)
    members = (codes[:, None] >> np.arange(n_players) & 1).astype(np.bool_)
    values = np.array([_value(game, row) for row in members])
    sizes = members.sum(axis=1)
    orders = math.factorial(n_players)
    share = [math.factorial(size) * math.factorial(n_players - size - 1) / orders for size in range(n_players)]
    weights = np.array([*share, 0.0])[sizes]  # nobody can join all players
    without = [codes[~members[:, player]] for player in range(n_players)]
    return np.array([weights[s] @ (values[s | 1 << player] - values[s]) for player, s in enumerate(without)])


def sampled_shapley(
    game: Game,
    n_players: int,
    permutations: int,
    seed: int,
    antithetic: bool = True,
    tolerance: float | None = None,
) -> SampledShapley:
    """Shapley values estimated from at most `permutations` random orders, the same for the same seed.

    With a tolerance, in units of v, sampling ends as soon as no standard error is above it. More orders under the same seed
    begin with the same ones. Raises ConfigError when there are too few orders for a standard error, or an odd number of
    antithetic ones; NumericalError when a value is not finite.
    """
    _check_players(n_players)
    per_draw = 2 if antithetic else 1
    if permutations < 2 * per_draw or permutations % per_draw:
        raise ConfigError(
            f"sampled Shapley values: expected {'an even number of at least 4' if antithetic else 'at least 2'} permutations, "
            f"so that standard errors can be told, found {permutations}. Ask for more."
        )
    if tolerance is not None and not tolerance > 0:
        raise ConfigError(f"sampled Shapley values: expected a positive tolerance, or None for all orders; found {tolerance}.")
    stream, n_draws, empty = generator(seed, "shapley"), permutations // per_draw, _finite(game.empty(), "nobody")
    mean, squares = np.zeros(n_players), np.zeros(n_players)
    running: list[tuple[int, Floats, Floats]] = []
    is_within = False
    for draw in range(1, n_draws + 1):
        order = stream.permutation(n_players)
        orders = (order, order[::-1]) if antithetic else (order,)
        gain = np.mean([_marginals(game, o, empty) for o in orders], axis=0)
        change = gain - mean
        mean = mean + change / draw
        squares = squares + change * (gain - mean)  # Welford 1962
        errors = np.sqrt(squares / (max(draw - 1, 1) * draw))
        is_within = tolerance is not None and draw >= FEWEST_TO_STOP and float(errors.max()) <= tolerance
        if is_within or draw == n_draws or (draw > 1 and draw.bit_count() == 1):
            running.append((draw * per_draw, mean, errors))
        if is_within:
            break
    steps, values, deviations = (np.array(column) for column in zip(*running, strict=True))
    return SampledShapley(values[-1], deviations[-1], int(steps[-1]), is_within, steps, values, deviations)


def leave_one_out(game: Game, n_players: int) -> Floats:
    """(K,) what v loses when one player leaves all the others. Raises NumericalError when a value is not finite."""
    _check_players(n_players)
    everybody = np.ones(n_players, dtype=np.bool_)
    others = ~np.eye(n_players, dtype=np.bool_)
    return _value(game, everybody) - np.array([_value(game, row) for row in others])


def greedy(game: Game, n_players: int, size: int) -> GreedyOrder:
    """The forward greedy order of `size` players: each step takes the one that makes v largest, ties going to the lowest index.

    A step is taken even where it lowers v: the curve of values shows where to stop. Values about K * size coalitions.
    Raises ConfigError unless 1 <= size <= K; NumericalError when a value is not finite.
    """
    _check_players(n_players)
    if not 1 <= size <= n_players:
        raise ConfigError(f"greedy order: expected a size from 1 to {n_players} players, found {size}.")
    members = np.zeros(n_players, dtype=np.bool_)
    order, values = np.empty(size, dtype=np.int64), np.empty(size)
    for step in range(size):
        candidates = np.flatnonzero(~members)
        found = [_value(game, members | (np.arange(n_players) == player)) for player in candidates]
        best = int(np.argmax(found))
        order[step], values[step] = candidates[best], found[best]
        members[candidates[best]] = True
    return GreedyOrder(order, values)


def _check_players(n_players: int) -> None:
    if n_players < 1:
        raise ConfigError(f"a game needs at least one player, found {n_players}. Give the number of contributors.")


def _value(game: Game, members: Members) -> float:
    if not members.any():
        return _finite(game.empty(), "nobody")
    return _finite(game.value(members), members)


def _marginals(game: Game, order: Order, empty: float) -> Floats:
    """(K,) by player: what v gains when the player joins those before it."""
    values = np.array([empty, *game.prefixes(order)])
    if len(values) != len(order) + 1:
        raise ShapeError(
            f"a game's prefixes: expected {len(order)} values for {len(order)} players, found {len(values) - 1}. Yield one "
            f"for each player that joins, none for nobody."
        )
    if not np.isfinite(values).all():
        n_joined = int(np.flatnonzero(~np.isfinite(values))[0])
        _finite(float(values[n_joined]), np.isin(np.arange(len(order)), order[:n_joined]))
    gains = np.empty(len(order))
    gains[order] = np.diff(values)
    return gains


def _finite(value: float, coalition: Members | str) -> float:
    if not math.isfinite(value):
        who = coalition if isinstance(coalition, str) else f"players {np.flatnonzero(coalition).tolist()}"
        raise NumericalError(f"the value of {who} is {value}: a game needs finite values. Look at that coalition's terms.")
    return float(value)
