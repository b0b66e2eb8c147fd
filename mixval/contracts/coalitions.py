"""What a run says of its coalition values, beside their tables: how they were made, and how sure the sampled ones are."""

from typing import Literal

from pydantic import Field

from mixval.config.base import FrozenModel


class CoalitionAccount(FrozenModel):
    """How the values of coalitions came about. Values are what the ranking's are, higher is better."""

    method: Literal["exact", "sampled"]
    """`exact`: Shapley values from all coalitions. `sampled`: from random orders and their reverses."""
    n_contributors: int
    """Contributors that took part: the best-ranked ones, when there were too many."""
    n_left_out: int = 0
    """Ranked contributors that did not take part."""
    n_coalitions: int
    """Coalitions that were valued, for Shapley values, leave-one-out, redundancy and the greedy search."""
    value_of_all: float
    """v of everybody together."""
    value_of_empty: float
    """v of no rows. Eq. 8 leaves it open: that of the worst contributor alone. The regression value has one: what guessing
    gives. It shifts all Shapley values alike."""
    sketch_excess: float | None = None
    """NTK term of all together as sketched, over the one without the sketch's bias, less 1; None: the sketch is too full to
    tell, and coalitions lose by being large. Of NTK regression: lambda as the sketch lifts it over the one asked for, less
    1."""
    is_ntk_regression: bool = False
    """Whether values are of `value.method: ntk-regression`."""
    orders: list[int] = Field(default_factory=list)
    """Numbers of orders after which running Shapley values were looked at; empty when exact."""
    largest_errors: list[float] = Field(default_factory=list)
    """Largest standard error over contributors after each of them."""
    seconds: float = 0.0
