"""Players of a game by NTK regression, and the game itself: made in one place, whatever the players' sums come from.

Letters: K players; q sketch features; C responses; N rows admitted, n of them measured; u rows looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from mixval.errors import ShapeError
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.replicates import Keys
from mixval.valuation.estimates import Floats
from mixval.valuation.regression_coalitions import EffectRows, RegressionGame, RegressionSums, Spreads
from mixval.valuation.summed_rows import SampledSums


@dataclass(frozen=True)
class Player:
    """Sums over a player's rows, each weighted by N / n, and some rows whose effects are taken."""

    admitted: int
    """N, at least 1."""
    measured: int
    """n, at least 1."""
    gram: npt.NDArray[Any]
    """(q, q) A = Phi'Phi."""
    cross: Floats
    """(q, C) c = Phi'R, responses in the objective's unit."""
    rows: EffectRows | None = None
    """None: values without replicates."""


@dataclass(frozen=True)
class TargetSide:
    """T as players are valued on it."""

    features: npt.NDArray[Any]
    """(m, q): Phi_T."""
    objective: TargetObjective
    multipliers: Floats
    """(R, m + 1): of T's rows, and of a row that is only guessed; R is 0 without replicates."""
    damping: float
    """Relative to the scale of the objective's mode."""


def player_of(
    parts: Sequence[SampledSums],
    are_real: Sequence[bool],
    most: int,
    multipliers: Callable[[Keys], Floats] | None,  # of rows with these keys (u,): (R, u). None: without replicates
) -> Player:
    """One player of these parts, at least one. The effects of `most` rows or a few more are taken, in proportion to parts."""
    measured = sum(one.measured for one in parts)
    rows = None
    if multipliers is not None:
        chosen = [(one, *one.first(math.ceil(most * one.measured / measured))) for one in parts]
        rows = EffectRows(
            features=np.concatenate([one.features[rows] for one, rows, _ in chosen]),
            responses=np.concatenate([one.responses[rows] for one, rows, _ in chosen]),
            multipliers=multipliers(np.concatenate([one.keys[rows] for one, rows, _ in chosen])),
            weights=np.concatenate([one.weights[rows] for one, rows, _ in chosen]),
            stand_for=np.concatenate([each for *_, each in chosen]),
            is_real=np.repeat(np.array(are_real, dtype=np.bool_), [len(each) for *_, each in chosen]),
            keys=np.concatenate([one.keys[rows] for one, rows, _ in chosen]),
        )
    gram, cross = reduce(add, (one.gram for one in parts)), reduce(add, (one.cross for one in parts))
    return Player(sum(one.admitted for one in parts), measured, gram, cross, rows)


def game_of(
    players: Iterable[Player],
    n_players: int,
    target: TargetSide,
    precision: type[np.float32] | type[np.float64] = np.float32,
) -> RegressionGame:
    """The game of K players, at least one, taken one by one: of each, A stays in memory, in this precision.

    float32 is precise enough for contributors of one run; float64 for a player whose sums another one is small against.
    Raises ShapeError where the players are not as many as said, or not of T's sketch.
    """
    q, c = target.features.shape[1], target.objective.n_classes
    gram, cross = list[npt.NDArray[Any]](), np.zeros((n_players, q, c))
    counts, rows, place = np.zeros((2, n_players), dtype=np.int64), list[EffectRows](), 0
    for place, player in enumerate(players, start=1):
        if place > n_players or player.gram.shape != (q, q) or player.cross.shape != (q, c):
            raise ShapeError(
                f"player {place} of {n_players}: expected sums ({q}, {q}) and ({q}, {c}), found {player.gram.shape} and "
                f"{player.cross.shape}. Use T's sketch and classes for all."
            )
        gram.append(player.gram.astype(precision, copy=False))
        cross[place - 1] = player.cross
        counts[:, place - 1] = player.admitted, player.measured
        rows += [] if player.rows is None else [player.rows]
    if place != n_players or len(rows) not in (0, n_players):
        raise ShapeError(
            f"expected {n_players} players, all or none of them with rows that are looked at, found {place} and {len(rows)}."
        )
    spreads = Spreads(rows, target.multipliers) if rows else None
    sums = RegressionSums(counts[0], counts[1], gram, cross)
    return RegressionGame(sums, target.features, target.objective, target.damping, spreads)
