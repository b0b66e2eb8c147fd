"""What one contributor adds: value alone, leave-one-out, Shapley value, and its substitutes."""

from __future__ import annotations

import math

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.publish.coalition_values import ERRORS, CoalitionValues
from mixval.publish.greedy_words import UNKNOWN
from mixval.publish.names import listed, shortened
from mixval.publish.numerals import count, decimals_for, fixed, percent
from mixval.publish.ranking import interval_words

MOST_SUBSTITUTES = 3
MOSTLY = 0.5
"""Cover (see `coalition_values.py`) from which another contributor covers most of a contribution."""


class Substitute(FrozenModel):
    """Another contributor with which it is redundant."""

    contributor: str
    redundancy: float
    """v(all) - v(without both), less the leave-one-out values of both."""
    cover: float | None
    """Share (0 to 1) of the contributor's marginal contribution without it that it also makes. None where that contribution is
    not positive."""


class NearCopy(FrozenModel):
    """Another contributor, of which it has rows."""

    contributor: str
    share: float
    """Share (0 to 1) of its rows that repeat one of the other's, exactly or nearly."""


class MarginalValues(FrozenModel):
    """Coalition values of one contributor. Scores of the run, higher is better."""

    n_contributors: int
    """Number of contributors in the coalition game."""
    alone: float
    """Its value alone: the ranking's own, or the first-order gain where the value has a penalty."""
    alone_is: str
    """Name of that number."""
    leave_one_out: float
    """What the coalition of all loses without it."""
    leave_one_out_error: float | None
    """Its standard error by the sampling of target rows. None where it is not known."""
    loss_is_clear: bool
    """Whether the coalition of all changes by more than its uncertainty without it."""
    shapley: float
    shapley_error: float | None
    """Standard error. None where it is exact."""
    shapley_rank: int | None
    """1 is best, of `n_contributors`. None where the run's contributors have no order."""
    greedy_step: int | None
    """Step at which the greedy search adds it. None where it does not."""
    greedy_value: float | None
    """Value of the coalition after that step."""
    greedy_low: float | None = None
    """Lower end of its interval; None where unknown."""
    greedy_high: float | None = None
    """Upper end."""
    substitutes: list[Substitute] = Field(default_factory=list)
    """At most three, strongest first, of those above their uncertainty."""
    near_copies: list[NearCopy] = Field(default_factory=list)
    """At most three, most first."""


def marginal_values(found: CoalitionValues, contributor: str, alone_is: str) -> MarginalValues | None:
    """The coalition values of a contributor. None when it has none."""
    if contributor not in found.names:
        return None
    place = found.names.index(contributor)
    step = found.greedy.index(place) if place in found.greedy else None
    errors = found.shapley_errors
    return MarginalValues(
        n_contributors=len(found.names),
        alone=float(found.alone[place]),
        alone_is=alone_is,
        leave_one_out=float(found.leave_one_out[place]),
        leave_one_out_error=_known(float(found.leave_one_out_errors[place])),
        loss_is_clear=found.loss_is_clear(place),
        shapley=float(found.shapley[place]),
        shapley_error=None if errors is None else float(errors[place]),
        shapley_rank=found.shapley_ranks[place],
        greedy_step=None if step is None else step + 1,
        greedy_value=None if step is None else float(found.greedy_values[step]),
        greedy_low=None if step is None else found.greedy_intervals[step][0],
        greedy_high=None if step is None else found.greedy_intervals[step][1],
        substitutes=[
            Substitute(
                contributor=found.names[other],
                redundancy=float(found.redundancy[place, other]),
                cover=found.cover(place, other),
            )
            for other in found.substitutes(place, MOST_SUBSTITUTES)
        ],
        near_copies=[
            NearCopy(contributor=found.names[other], share=float(found.near[place, other]))
            for other in found.near_copies(place, MOST_SUBSTITUTES)
        ],
    )


def _known(error: float) -> float | None:
    return error if math.isfinite(error) else None


def marginal_words(marginal: MarginalValues, value_decimals: int) -> list[str]:
    """The same as lines of plain text; values of coalitions with `value_decimals`."""
    k, decimals = marginal.n_contributors, _decimals(marginal)
    loss_error = marginal.leave_one_out_error
    half = "" if loss_error is None else f" ± {fixed(ERRORS * loss_error, decimals)}"
    error = "" if marginal.shapley_error is None else f" ± {fixed(marginal.shapley_error, decimals + 1)}"
    rank = "" if marginal.shapley_rank is None else f"rank {marginal.shapley_rank} of {count(k)}; "
    lines = [
        f"In coalitions of {count(k)} contributors:",
        f"  {marginal.alone_is:<14} {fixed(marginal.alone, value_decimals)}",
        f"  {'Shapley value':<14} {fixed(marginal.shapley, decimals)}{error}  ({rank}mean marginal contribution over all "
        "orders)",
        f"  {'leave-one-out':<14} {fixed(marginal.leave_one_out, decimals)}{half}",
    ]
    if marginal.greedy_step is not None:
        coalition = fixed(marginal.greedy_value, value_decimals)
        if marginal.greedy_low is not None:
            coalition += f", {interval_words(marginal.greedy_low, marginal.greedy_high, value_decimals)}"
        lines.append(f"  {'greedy step':<14} {marginal.greedy_step}  (value of the coalition then: {coalition})")
    return [*lines, "", *_missed(marginal), *_other_substitutes(marginal), *_repeated(marginal)] if k > 1 else lines


def _decimals(marginal: MarginalValues) -> int:
    return decimals_for([marginal.shapley, marginal.leave_one_out])


def _missed(marginal: MarginalValues) -> list[str]:
    loss, decimals = marginal.leave_one_out, _decimals(marginal)
    if marginal.leave_one_out_error is None:
        return [UNKNOWN]
    verb = "gain" if loss < 0 else "lose"
    words = f"Without it the coalition of all would {verb} {fixed(abs(loss), decimals)}"
    if not marginal.loss_is_clear:
        words = "Whether the coalition of all would lose or gain without it cannot be said"
    first = marginal.substitutes[0] if marginal.substitutes else None
    if first is None:
        return [
            f"{words}."
            if marginal.near_copies
            else f"{words}. Its redundancy with any other contributor is within its uncertainty."
        ]
    name = shortened(first.contributor, 40)
    if first.cover is None or not marginal.loss_is_clear:
        return [f"{words}; it is partly redundant with {name}."]
    much = "most" if first.cover >= MOSTLY else "some"
    missed = fixed(first.redundancy + loss, decimals)
    return [
        f"{words}; {name} covers {much} of its contribution: without {name}, its leave-one-out value would be {missed}, "
        f"of which {name} covers {percent(first.cover)}."
    ]


def _other_substitutes(marginal: MarginalValues) -> list[str]:
    others = [entry.contributor for entry in marginal.substitutes[1:]]
    return [f"It is partly redundant with {listed(others)}, too."] if others else []


def _repeated(marginal: MarginalValues) -> list[str]:
    return [
        f"{percent(one.share)} of its rows repeat rows of {shortened(one.contributor, 40)}, exactly or with small changes."
        for one in marginal.near_copies
    ]
