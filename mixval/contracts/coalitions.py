"""How a run's values of coalitions were computed, and the accuracy of sampled ones; published next to their tables."""

from typing import Literal

from pydantic import Field

from mixval.config.base import FrozenModel


class CoalitionAccount(FrozenModel):
    """How the values of coalitions were computed. They are of the ranking's kind, higher is better."""

    method: Literal["exact", "sampled"]
    """`exact`: Shapley values from all coalitions. `sampled`: from random orders and their reverses."""
    n_contributors: int
    """Contributors that took part: the best-ranked ones, when there were too many."""
    n_left_out: int = 0
    """Ranked contributors that did not take part."""
    n_coalitions: int
    """Coalitions that were valued, for Shapley values, leave-one-out, redundancy and the greedy search."""
    value_of_all: float
    """v of all contributors together."""
    low_of_all: float | None = None
    """Lower end of its interval; None where that is not known."""
    high_of_all: float | None = None
    """Upper end."""
    value_of_empty: float
    """v of no rows. Eq. 8 leaves it open: the worst contributor's own value. The regression value defines it: that of constant
    outputs. It shifts all Shapley values alike."""
    sketch_excess: float | None = None
    """NTK term of all together as sketched, over the one without the sketch's bias, less 1; None: unknown, since the
    sketch is too full, which makes large coalitions look worse. Of NTK regression: lambda as the sketch raises it over the
    configured one, less 1."""
    is_ntk_regression: bool = False
    """Whether values are of `value.method: ntk-regression`."""
    orders: list[int] = Field(default_factory=list)
    """Numbers of orders at which running Shapley values were recorded; empty when exact."""
    largest_errors: list[float] = Field(default_factory=list)
    """Largest standard error over contributors after each of them."""
    seconds: float = 0.0
