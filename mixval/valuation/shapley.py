"""Games of contributors: Shapley values (exact or sampled), leave-one-out, and the greedy order.

Letters: K players; v(S) value of a coalition S, higher is better; v() that of the empty coalition, defined by the game.

    exact     phi_k = sum over S without k of |S|! (K - |S| - 1)! / K! (v(S + k) - v(S))              (Shapley 1953)
    sampled   from coalitions that open random orders and those that open their reverses, the complements: a regression on
              members size by size, and the mean marginals of its residuals (`mixval/valuation/shapley_regression.py`)

Marginals alone (Castro et al. 2009) are noisy where small coalitions differ much from large ones. Standard errors come from a
jackknife over the orders.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixval.errors import ConfigError, NumericalError, ShapeError
from mixval.seeds import generator
from mixval.valuation.estimates import Floats
from mixval.valuation.shapley_regression import Pairs, jackknife_errors, regressed

Members = NDArray[np.bool_]
Order = NDArray[np.int64]
MOST_EXACT = 12
"""Players up to which all 2^K coalitions are valued: 4,096 of them."""
FEWEST_TO_STOP = 16
"""Orders with their reverses before a tolerance may end the sampling: standard errors of fewer are too rough to stop on."""
LOOK_AFTER = 1.125
"""Factor between the numbers of orders at which the tolerance is checked."""


class Game(Protocol):
    """Values of coalitions. Coalitions that grow player by player may be cheaper by `prefixes` than one by one."""

    def empty(self) -> float:
        """v of the empty coalition."""
        ...

    def value(self, members: Members) -> float:
        """v of the players that `members` (K,) marks, at least one."""
        ...

    def prefixes(self, order: Order) -> Iterator[float]:
        """v(order[:1]), v(order[:2]) and so on to v(order), each computed when it is requested."""
        ...


@dataclass(frozen=True)
class SampledShapley:
    """Estimated Shapley values, and their course as orders were added."""

    values: Floats
    """(K,)."""
    standard_errors: Floats
    """(K,) of `values`, from the orders' independence."""
    permutations: int
    """Orders used, reverses included; fewer than asked for where `is_within_tolerance`."""
    n_coalitions: int
    """Coalitions that were valued, each counted once, the empty one and that of all included."""
    is_within_tolerance: bool
    """Whether the largest standard error is within the given tolerance; False without one."""
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
    """(K,) Shapley values from all 2^K coalitions, each valued once, in an order in which one player joins or leaves at a time.

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
    values = np.empty(len(codes))
    for code in codes ^ codes >> 1:  # Gray's order: a game that keeps sums changes them by one player
        values[code] = _value(game, members[code])
    sizes = members.sum(axis=1)
    orders = math.factorial(n_players)
    share = [math.factorial(size) * math.factorial(n_players - size - 1) / orders for size in range(n_players)]
    weights = np.array([*share, 0.0])[sizes]  # no player is left to join
    without = [codes[~members[:, player]] for player in range(n_players)]
    return np.array([weights[s] @ (values[s | 1 << player] - values[s]) for player, s in enumerate(without)])


def sampled_shapley(game: Game, n_players: int, permutations: int, seed: int, tolerance: float | None = None) -> SampledShapley:
    """Shapley values estimated from at most `permutations` random orders, half of them reverses; the same for the same seed.

    Every player alone and all others without it are valued too. With a tolerance, a share of the values' standard deviation
    over players, sampling ends when no standard error is above it. More orders under the same seed begin with the same ones.
    Raises ConfigError for an odd number of orders or less than four; NumericalError when a value is not finite.
    """
    _check_players(n_players)
    if permutations < 4 or permutations % 2:
        raise ConfigError(
            f"sampled Shapley values: expected an even number of at least 4 permutations, so that standard errors can be "
            f"estimated, found {permutations}. Ask for more."
        )
    if tolerance is not None and not tolerance > 0:
        raise ConfigError(f"sampled Shapley values: expected a positive tolerance, or None for all orders; found {tolerance}.")
    stream, n_draws, next_look = generator(seed, "shapley"), permutations // 2, float(FEWEST_TO_STOP)
    alone, total = _alone(game, n_players)
    orders, differences = list[Order](), list[Floats]()
    running: list[tuple[int, Floats, Floats]] = []
    is_within = False
    for draw in range(1, n_draws + 1):
        orders.append(stream.permutation(n_players))
        differences.append(_paired(game, orders[-1]))
        is_step, is_look = draw == n_draws or (draw > 1 and draw.bit_count() == 1), tolerance is not None and draw >= next_look
        if is_step or is_look:
            pairs = Pairs(np.array(orders), np.array(differences))
            values, errors = regressed(pairs, alone, total), jackknife_errors(pairs, alone, total)
        if is_look:
            next_look = LOOK_AFTER * draw
            is_within = tolerance is not None and float(errors.max()) <= tolerance * float(values.std())
        if is_step or is_within:
            running.append((2 * draw, values, errors))
        if is_within:
            break
    steps, course, deviations = (np.array(column) for column in zip(*running, strict=True))
    return SampledShapley(course[-1], deviations[-1], int(steps[-1]), _distinct(pairs), is_within, steps, course, deviations)


def leave_one_out(game: Game, n_players: int) -> Floats:
    """(K,) what v loses when one player leaves all the others. Raises NumericalError when a value is not finite."""
    _check_players(n_players)
    everybody = np.ones(n_players, dtype=np.bool_)
    others = ~np.eye(n_players, dtype=np.bool_)
    return _value(game, everybody) - np.array([_value(game, row) for row in others])


def without_both(game: Game, n_players: int) -> Floats:
    """(K, K) v of all players but two, symmetric; 0 on the diagonal. Raises NumericalError when a value is not finite."""
    places, values = np.arange(n_players), np.zeros((n_players, n_players))
    for a in range(n_players):
        for b in range(a):
            values[a, b] = values[b, a] = _value(game, (places != a) & (places != b))
    return values


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
        return _finite(game.empty(), "the empty coalition")
    return _finite(game.value(members), members)


def _alone(game: Game, n_players: int) -> tuple[Floats, float]:
    """(K,) half of what each player alone is worth more than all others, and v(all) - v()."""
    single = np.eye(n_players, dtype=np.bool_)
    differences = np.array([(_value(game, row) - _value(game, ~row)) / 2 for row in single])
    return differences, _value(game, np.ones(n_players, dtype=np.bool_)) - _value(game, np.zeros(n_players, dtype=np.bool_))


def _paired(game: Game, order: Order) -> Floats:
    """(K - 1,) half of what the coalitions that open an order are worth more than their complements, which open its reverse."""
    forward, backward = _followed(game, order), _followed(game, order[::-1])
    return np.asarray((forward[:-1] - backward[:-1][::-1]) / 2)


def _followed(game: Game, order: Order) -> Floats:
    """(K,) v of the growing prefixes of an order."""
    values = np.array(list(game.prefixes(order)))
    if len(values) != len(order):
        raise ShapeError(
            f"prefixes of a game: expected {len(order)} values for {len(order)} players, found {len(values)}. Yield one value "
            f"for each player that joins, none for the empty coalition."
        )
    for n_joined in np.flatnonzero(~np.isfinite(values)):
        _finite(float(values[n_joined]), np.isin(np.arange(len(order)), order[: n_joined + 1]))
    return values


def _distinct(pairs: Pairs) -> int:
    k = pairs.orders.shape[1]
    known = np.concatenate([pairs.members.reshape(-1, k), np.eye(k, dtype=np.bool_), np.zeros((1, k), dtype=np.bool_)])
    return len(np.unique(np.concatenate([known, ~known]), axis=0))


def _finite(value: float, coalition: Members | str) -> float:
    if not math.isfinite(value):
        who = coalition if isinstance(coalition, str) else f"players {np.flatnonzero(coalition).tolist()}"
        raise NumericalError(f"the value of {who} is {value}: a game needs finite values. Look at that coalition's terms.")
    return float(value)
