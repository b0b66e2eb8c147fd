"""What a batch adds to what is held already: values of unions by NTK regression, and how far they may be off.

Letters: H what is held; B the rows of a batch that are not, of parts R (real) and S (synthetic); v as in
`regression_coalitions.py`; R replicates.

    marginal      v(H + B) - v(H), of a part v(H + R) - v(H) and v(H + B) - v(H + S)
    standalone    v(B with its rows that are held) - v(nobody)
    redundancy    1 - marginal / standalone: the share of the standalone value that is there without the batch

All are differences of values of one game, whose replicates have one multiplier for each row in all of them, so that what two
values share cancels. The ends of a ratio are found as by Fieller (Journal of the Royal Statistical Society B 16, 1954): the
ratios r for which marginal - r standalone is not told from 0, by the same intervals as all else. They are bounded where
standalone is told from 0, and nothing is said where it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from mixval.terms.ntk.value_spread import value_spread
from mixval.terms.replicates import interval
from mixval.valuation.estimates import Floats
from mixval.valuation.players import Player, TargetSide, game_of
from mixval.valuation.regression_coalitions import EffectRows, RegressionGame, SolvedCoalition, sampled_rows
from mixval.valuation.shapley import Members

HELD = "held"
"""The player of what is held; the others are parts of the batch."""
MOST_RATIO = 1e6
"""Ratio to which the end of an interval is looked for."""
HALVINGS = 30
"""Of the bracket about an end: to 1e-9 of it."""


@dataclass(frozen=True)
class Estimated:
    """A number with its replicates."""

    value: float
    deviations: Floats | None
    """(R,); None without replicates."""

    def less(self, other: Estimated, times: float = 1.0) -> Estimated:
        """The difference, replicate by replicate, to so many times the other."""
        own, others = self.deviations, other.deviations
        shifts = None if own is None or others is None else np.asarray(own - times * others)
        return Estimated(self.value - times * other.value, shifts)

    def ends(self, confidence: float) -> tuple[float | None, float | None]:
        """The interval; None where it is unknown."""
        return (None, None) if self.deviations is None else interval(self.value, self.deviations, confidence)


@dataclass(frozen=True)
class Marginal:
    """What a batch adds, in nats."""

    before: Estimated
    """What is held by itself."""
    marginal: Estimated
    standalone: Estimated
    given_held: dict[str, Estimated]
    """By part: what it adds to what is held."""
    given_rest: dict[str, Estimated]
    """By part: what it adds to what is held and the rest of the batch."""
    union: SolvedCoalition | None
    """Of what is held and the batch; None without replicates."""


def marginal_of(
    held: Player | None,
    parts: Mapping[str, Player],
    target: TargetSide,
    added: Mapping[str, Player] | None = None,
    before: Estimated | None = None,
) -> Marginal:
    """Of a batch of these parts, at least one, above what is held; None: nothing.

    `added` are the parts' rows that are not held yet, without those that have none; None: all are new. Rows that are held add
    nothing. `before` is what is held by itself, where that is known: of a union that came before, by `worth_of`. Cost: a factor
    in float64 for each of at most six unions, whatever was summed.
    """
    own = parts if added is None else added
    players = dict(own) if held is None else {HELD: held, **own}
    worth, base, names = _worth(players, target), [] if held is None else [HELD], list(own)
    if before is not None:
        worth.known[frozenset(base)] = before
    union = worth.solved([*base, *names])
    whole, before = worth.of([*base, *names]), worth.of(base)
    alone = worth if added is None else _worth(parts, target)
    given_held = {part: worth.of([*base, part] if part in own else base).less(before) for part in parts}
    rest = {part: [*base, *(one for one in names if one != part)] for part in parts}
    given_rest = {part: whole.less(worth.of(others)) for part, others in rest.items()}
    return Marginal(before, whole.less(before), alone.of(list(parts)).less(alone.of([])), given_held, given_rest, union)


def worth_of(union: SolvedCoalition, player: Player, target: TargetSide) -> Estimated | None:
    """What the rows of a union are worth as one player, whose sums are the union's: as `marginal_of` would say, without a
    factor. Rows that the player looks at and the union did not are solved for; None where only a factor of sums can."""
    if player.rows is None:
        return Estimated(union.found.value, None)
    own, places = sampled_rows([player.rows]), _places(union.rows, player.rows)
    if places is None and union.regression.is_kernel:
        return None
    reach = None if places is None else union.reach.take(places)
    spread = value_spread(union.regression, union.found, target.objective, own, target.multipliers, reach, union.linear)
    return Estimated(union.found.value, spread.deviations)


def _places(among: Sequence[EffectRows], wanted: EffectRows) -> npt.NDArray[np.int64] | None:
    """(u,) where each row stands among others, by its part, content and weight; None where one of them does not."""
    named = [_named(one) for one in (*among, wanted)]
    if any(one is None for one in named):
        return None
    at = {name: place for place, name in enumerate(chain.from_iterable(one for one in named[:-1] if one is not None))}
    places = [at.get(name, -1) for name in named[-1] or []]
    return None if -1 in places else np.array(places, dtype=np.int64)


def _named(rows: EffectRows) -> list[tuple[bool, int, float]] | None:
    if rows.keys is None:
        return None
    return list(zip(rows.is_real.tolist(), rows.keys.tolist(), rows.weights.tolist(), strict=True))


def missing_share(
    marginal: Estimated, standalone: Estimated, confidence: float
) -> tuple[float, float | None, float | None] | None:
    """1 - marginal / standalone with its ends, None where they are unknown; None where standalone is not told from 0, or below.

    Without replicates standalone counts as told from 0 where it is above 0.
    """
    low, _ = standalone.ends(confidence)
    if not standalone.value > 0 or (standalone.deviations is not None and (low is None or low <= 0)):
        return None
    ratio = marginal.value / standalone.value
    if standalone.deviations is None or marginal.ends(confidence)[0] is None:
        return 1 - ratio, None, None
    least, most = (_end(ratio, side, marginal, standalone, confidence) for side in (-1.0, 1.0))
    return 1 - ratio, 1 - most, 1 - least


def _end(ratio: float, side: float, above: Estimated, below: Estimated, confidence: float) -> float:
    """The farthest r on one side of the ratio for which above - r below is not told from 0."""

    def is_told(r: float) -> bool:
        low, high = above.less(below, r).ends(confidence)
        return low is not None and high is not None and not low <= 0 <= high

    near, step = ratio, 1.0
    while step < MOST_RATIO and not is_told(ratio + side * step):
        near, step = ratio + side * step, 2 * step
    far = ratio + side * step
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if is_told(middle) else (middle, far)
    return far


def _worth(players: Mapping[str, Player], target: TargetSide) -> _Worth:
    return _Worth(game_of(players.values(), len(players), target, np.float64), list(players))


@dataclass(frozen=True)
class _Worth:
    """Values of unions by their players' names."""

    game: RegressionGame
    names: Sequence[str]
    known: dict[frozenset[str], Estimated] = field(default_factory=dict)

    def of(self, members: Sequence[str]) -> Estimated:
        """Each union is computed once: a batch of one part asks for the same ones by several names."""
        union = frozenset(members)
        if union not in self.known:
            mask = self._mask(union)
            deviations = self.game.deviations(mask)  # first: its factor gives the value, too
            self.known[union] = Estimated(self.game.value(mask) if mask.any() else self.game.empty(), deviations)
        return self.known[union]

    def solved(self, members: Sequence[str]) -> SolvedCoalition | None:
        """The union with its factor; None without replicates."""
        return self.game.solved(self._mask(frozenset(members)))

    def _mask(self, union: frozenset[str]) -> Members:
        return np.array([name in union for name in self.names], dtype=np.bool_)
