"""What one contributor adds to the others: alone, last, on average, and who could stand in for it."""

from __future__ import annotations

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.publish.coalition_values import CoalitionValues
from mixval.publish.names import listed, shortened
from mixval.publish.numerals import count, decimals_for, fixed, percent

MOST_SUBSTITUTES = 3
MOSTLY = 0.5
"""Share of what a contributor would be missed by, from which another brings most of it."""


class Substitute(FrozenModel):
    """Another contributor that brings the same."""

    contributor: str
    redundancy: float
    """v(all) - v(without both), less what each alone is missed by."""
    cover: float | None
    """Share (0 to 1) that it brings as well of what the contributor would be missed by without it. None where nothing would
    be missed."""


class MarginalValues(FrozenModel):
    """Coalition values of one contributor. Scores of the run, higher is better."""

    n_contributors: int
    """That took part."""
    alone: float
    leave_one_out: float
    """What the coalition of all loses without it."""
    shapley: float
    shapley_error: float | None
    """Standard error. None where it is exact."""
    shapley_rank: int
    """1 adds most, of `n_contributors`."""
    greedy_step: int | None
    """When the greedy search takes it. None where it does not."""
    greedy_value: float | None
    """Value of the coalition after that step."""
    substitutes: list[Substitute] = Field(default_factory=list)
    """At most three, strongest first."""


def marginal_values(found: CoalitionValues, contributor: str) -> MarginalValues | None:
    """What the tables say of a contributor. None when it took no part."""
    if contributor not in found.names:
        return None
    place = found.names.index(contributor)
    step = found.greedy.index(place) if place in found.greedy else None
    errors = found.shapley_errors
    return MarginalValues(
        n_contributors=len(found.names),
        alone=float(found.alone[place]),
        leave_one_out=float(found.leave_one_out[place]),
        shapley=float(found.shapley[place]),
        shapley_error=None if errors is None else float(errors[place]),
        shapley_rank=found.shapley_ranks[place],
        greedy_step=None if step is None else step + 1,
        greedy_value=None if step is None else float(found.greedy_values[step]),
        substitutes=[
            Substitute(
                contributor=found.names[other],
                redundancy=float(found.redundancy[place, other]),
                cover=found.cover(place, other),
            )
            for other in found.substitutes(place, MOST_SUBSTITUTES)
        ],
    )


def marginal_words(marginal: MarginalValues) -> list[str]:
    """The same as lines of plain text."""
    k, decimals = marginal.n_contributors, _decimals(marginal)
    error = "" if marginal.shapley_error is None else f" ± {fixed(marginal.shapley_error, decimals + 1)}"
    rank = f"rank {marginal.shapley_rank} of {count(k)}"
    lines = [
        f"Together with the others ({count(k)} took part):",
        f"  {'alone':<14} {fixed(marginal.alone, decimals)}",
        f"  {'Shapley value':<14} {fixed(marginal.shapley, decimals)}{error}  ({rank}; what it adds, over all orders)",
        f"  {'leave-one-out':<14} {fixed(marginal.leave_one_out, decimals)}",
    ]
    if marginal.greedy_step is not None:
        coalition = fixed(marginal.greedy_value, decimals)
        lines.append(f"  {'greedy step':<14} {marginal.greedy_step}  (the coalition is then worth {coalition})")
    return [*lines, "", *_missed(marginal), *_other_substitutes(marginal)] if k > 1 else lines


def _decimals(marginal: MarginalValues) -> int:
    return decimals_for([marginal.shapley, marginal.leave_one_out])


def _missed(marginal: MarginalValues) -> list[str]:
    loss, decimals = marginal.leave_one_out, _decimals(marginal)
    verb = "gain" if loss < 0 else "lose"
    words = f"Without it the coalition of all would {verb} {fixed(abs(loss), decimals)}"
    first = marginal.substitutes[0] if marginal.substitutes else None
    if first is None:
        return [f"{words}; nobody else brings the same."]
    name = shortened(first.contributor, 40)
    if first.cover is None:
        return [f"{words}; {name} brings some of the same."]
    missed = first.redundancy + loss
    much = "most" if first.cover >= MOSTLY else "some"
    return [
        f"{words}; {much} of what it brings {name} brings too: were {name} gone, it would be missed by "
        f"{fixed(missed, decimals)}, of which {name} now covers {percent(first.cover)}."
    ]


def _other_substitutes(marginal: MarginalValues) -> list[str]:
    others = [entry.contributor for entry in marginal.substitutes[1:]]
    return [f"{listed(others)} could stand in for part of it, too."] if others else []
