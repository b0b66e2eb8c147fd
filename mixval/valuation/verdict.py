"""The verdicts on a run's contributors, take, leave or cannot say, and whether the contributors can be put in an order.

A contributor's value and its interval are compared with the value of training on no rows at all:

    take         the whole interval lies above it, and the value by more than `LEAST_SHARE` of its size
    leave        the whole interval lies at or below it, or above it by less than `LEAST_SHARE` of its size
    cannot say   all else: the interval contains it, has no width, or is missing; or no rows have no value (Eq. 8)

That is asked of K contributors at once, so among many without any effect some would pass. All verdicts are therefore `cannot
say` unless they are more than chance gives: one interval excludes the value of no rows when it is widened for K comparisons
(Bonferroni, as of a normal distribution), or as many do as K without effect would in `CHANCE` of runs at most.

A value that is less than the gain itself, because a penalty is taken off it, may be below zero although training would help:
then `leave` asks for the upper end of the gain's own interval.

A `take` does not overrule a serious warning: whoever one names (rows that repeat the target's, say) gets `cannot say` in its
place. A `leave` stays, so that nobody is spared it by adding copies of the target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from mixval.contracts.results import CANNOT_SAY, LEAVE, TAKE, Standing, Verdict

LEAST_SHARE = 1e-3
"""Of the loss of guessing, log C: a smaller gain is of no use to a buyer, whatever its interval. Gains of causal LMs, which are
0 for no rows, have no such scale and no such floor."""
CHANCE = 0.05
"""Of runs whose contributors have no effect: share in which either rule may give any of them a verdict."""


@dataclass(frozen=True)
class ValueInterval:
    """A contributor's value with its interval, in the value's unit."""

    value: float
    low: float | None
    """None where the spread is unknown, as is `high`."""
    high: float | None
    gain_high: float | None = None
    """Upper end of the gain's interval, where the value is the gain less a penalty."""

    def verdict(self, empty: float | None, wider: float = 1.0) -> Verdict:
        """The verdict against the value of no rows, from the interval `wider` times as wide around the value."""
        if empty is None or self.low is None or self.high is None or not self.low < self.high:
            return CANNOT_SAY
        low, high = self.value - wider * (self.value - self.low), self.value + wider * (self.high - self.value)
        floor = LEAST_SHARE * abs(empty)
        if low > empty and self.value > empty + floor:
            return TAKE
        return LEAVE if max(high, -math.inf if self.gain_high is None else self.gain_high) <= empty + floor else CANNOT_SAY


def verdicts_of(found: Sequence[ValueInterval], empty: float | None) -> list[Verdict]:
    """The verdict on each contributor; `empty` is the value of training on no rows, None where the value has none."""
    verdicts = [one.verdict(empty) for one in found]
    decided, k = sum(verdict != CANNOT_SAY for verdict in verdicts), len(found)
    if not decided:
        return verdicts
    normal = NormalDist()
    wider = normal.inv_cdf(1 - CHANCE / (2 * k)) / normal.inv_cdf(1 - CHANCE / 2)
    by_chance = sum(math.comb(k, n) * CHANCE**n * (1 - CHANCE) ** (k - n) for n in range(decided, k + 1))
    if by_chance <= CHANCE or any(one.verdict(empty, wider) != CANNOT_SAY for one in found):
        return verdicts
    return [CANNOT_SAY] * k


def withheld(verdicts: Sequence[Verdict], accused_by: Sequence[str | None]) -> tuple[list[Verdict], list[str | None]]:
    """The verdicts without a `take` of whoever a serious warning names, and the warning's kind where it took one away.

    `accused_by` has the kind of the warning for each contributor that one names, else None.
    """
    taken = [kind if verdict == TAKE else None for verdict, kind in zip(verdicts, accused_by, strict=True)]
    return [verdict if kind is None else CANNOT_SAY for verdict, kind in zip(verdicts, taken, strict=True)], taken


def standing_of(verdicts: Sequence[str], tie_groups: Sequence[int | None], has_empty: bool) -> Standing:
    """Whether contributors can be put in an order, else why not, by the verdicts before any is withheld.

    Where nobody is better than no rows there is none, though some may be worse than others: near guessing that is most often
    what labels drawn at random look like.

    A tie group is None where the value has no interval.
    """
    groups = {group for group in tie_groups if group is not None}
    if len(verdicts) < 2:
        return "one"
    if not groups:
        return "no-intervals"
    if has_empty and all(verdict == CANNOT_SAY for verdict in verdicts):
        return "at-chance"
    if has_empty and TAKE not in verdicts:
        return "none-helps"
    return "all-tied" if len(groups) < 2 else "ordered"


def ranks_shown(ranks: Sequence[int], tie_groups: Sequence[int | None], standing: Standing) -> list[int | None]:
    """(K,) ranks among contributors with a tie group. None for the others, and for all where there is no order."""
    if standing != "ordered":
        return [None] * len(ranks)
    among = [rank for rank, group in zip(ranks, tie_groups, strict=True) if group is not None]
    return [
        None if group is None else 1 + sum(other < rank for other in among)
        for rank, group in zip(ranks, tie_groups, strict=True)
    ]
