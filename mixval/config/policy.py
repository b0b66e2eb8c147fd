"""The policy of a gate in front of a table: which quantity, compared with what, has which consequence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel

Action = Literal["accept", "quarantine", "reject"]
"""What becomes of a delivery. Its rows enter the table; or it waits, and can be decided anew; or it is refused."""
ValueName = Literal[
    "marginal-value",
    "marginal-value-per-row",
    "marginal-value-per-token",
    "marginal-value-per-price",
    "standalone-value",
    "redundancy",
]
"""Quantities that follow from the model."""
QuantityName = Literal[ValueName, "duplicate-share", "overlap-share", "drift", "rows", "dropped-share"]
"""What rules compare. In nats, of causal models as a score, higher is better: `marginal-value` (worth of holdings and batch
together less that of the holdings) and `standalone-value` (of the batch by itself, above nobody). Shares, 0 to 1: `redundancy`
(of the standalone value that the holdings bring already), `duplicate-share` (rows repeated within the batch), `overlap-share`
(rows that the table holds already), `dropped-share` (rows that the gate leaves out). `drift`: distance of the batch from this
contributor's earlier ones, in standard errors. `rows`: those that would be appended."""


class Rule(FrozenModel):
    """One comparison. The first rule of a policy that holds decides."""

    name: str = Field(min_length=1, max_length=60)
    """What decisions and reports call it."""
    quantity: QuantityName
    """What is compared (docs/ingestion.md)."""
    at: Literal["low", "value", "high"] = "value"
    """Which number is compared: the estimate, or an end of its interval. One that is unknown makes the rule not hold."""
    above: float | None = Field(default=None, allow_inf_nan=False)
    """The rule holds where the number is above this."""
    below: float | None = Field(default=None, allow_inf_nan=False)
    """The rule holds where the number is below this."""
    then: Action
    """The consequence."""

    @model_validator(mode="after")
    def _one_side(self) -> Rule:
        if (self.above is None) == (self.below is None):
            raise ValueError("expected exactly one of `above` and `below`, found both or none. Write e.g. `below: 0`")
        return self


class Budget(FrozenModel):
    """Most that is accepted in a period; what comes after it waits in quarantine."""

    most: float = Field(gt=0, allow_inf_nan=False)
    """In units of `of`."""
    of: Literal["rows", "tokens", "price"] = "rows"
    """What is counted."""
    every: Literal["day", "week", "month"] = "month"
    """The period, by UTC."""

    def began(self, now: datetime) -> datetime:
        """When the period began in which `now` is, by UTC; weeks begin on Monday."""
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[self.every]


class Exploration(FrozenModel):
    """Rows of contributors of whom nothing was accepted yet that enter although no rule could decide."""

    rows: int = Field(default=0, ge=0)
    """Most rows of a new contributor in all. 0: none."""


class PolicyConfig(FrozenModel):
    """When a batch may enter the table.

    What no rule decides waits in quarantine, and is valued anew when the holdings change.
    """

    rules: list[Rule] = Field(
        default=[
            Rule(name="too small", quantity="rows", below=50, then="quarantine"),
            Rule(name="held already", quantity="overlap-share", above=0.5, then="quarantine"),
            Rule(name="harmful", quantity="marginal-value", at="high", below=0, then="reject"),
            Rule(name="redundant", quantity="redundancy", at="low", above=0.9, then="quarantine"),
            Rule(name="worth it", quantity="marginal-value", at="low", above=0, then="accept"),
        ],
        min_length=1,
    )
    """In order: the first that holds decides. A delivery that the row gate rejects never reaches them."""
    on_overwrite: Action = "quarantine"
    """What becomes of a delivery whose name was delivered before with other bytes. `accept`: it is decided by the rules."""
    schema_change: Literal["quarantine", "widen"] = "quarantine"
    """What becomes of a delivery with columns that the table lacks. `widen`: the table's schema is widened in a step of its
    own, before rows are appended. Columns that a delivery lacks are null where the table allows it."""
    freshness: Literal["strict"] | int = "strict"
    """`strict`: rows enter only the version of the table that they were valued against, and are valued anew when another
    writer was first. A number: so many versions may lie between."""
    budget: Budget | None = None
    """Most that is accepted in a period. None: no limit."""
    exploration: Exploration = Exploration()
    """For new contributors."""
    price_column: str | None = None
    """Column with the price of a row, which `marginal-value-per-price` and a budget of prices need."""
    shadow: bool = False
    """Decide and report, and change nothing."""

    @model_validator(mode="after")
    def _lies_ahead(self) -> PolicyConfig:
        if self.freshness != "strict" and self.freshness < 0:
            raise ValueError(f"`freshness`: expected `strict` or a number from 0, found {self.freshness}")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> PolicyConfig:
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError(f"rules: expected names that differ, found {sorted(names)}. Rename one")
        return self

    @model_validator(mode="after")
    def _prices_are_known(self) -> PolicyConfig:
        wants = any(rule.quantity == "marginal-value-per-price" for rule in self.rules)
        if self.price_column is None and (wants or (self.budget is not None and self.budget.of == "price")):
            raise ValueError("a rule or budget of prices needs `price_column`, found none. Name the column with a row's price")
        return self
