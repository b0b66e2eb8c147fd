"""What passes between the steps of the gate in front of a table: delivery, pinned copy, quantities, decision."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.config.policy import Action, QuantityName


class Delivery(FrozenModel):
    """One file of one contributor as the listing of the inbox found it."""

    contributor: str
    """As in the data. Never used in a path unescaped."""
    name: str
    """Path below the inbox."""
    url: str
    size_bytes: int
    version: str
    """Entity tag or version id of the store; on a local disk, size and time of the last change."""


class PinnedDelivery(FrozenModel):
    """A delivery whose bytes were copied below the gate's state, where nothing changes them. All later steps read it."""

    delivery: Delivery
    digest: str
    """SHA-256 of the bytes, hexadecimal."""
    url: str
    """Of the copy."""
    supersedes: str | None = None
    """Digest that an earlier delivery of the same name had; None for a new name."""

    @property
    def key(self) -> str:
        """The delivery's short name everywhere: the first 16 digits of the digest."""
        return self.digest[:16]


class Quantity(FrozenModel):
    """A number that rules compare, with its interval at `value.confidence`."""

    value: float | None
    """None where it cannot be said."""
    low: float | None = None
    """Lower end; None where it is unknown."""
    high: float | None = None
    """Upper end."""
    why_unknown: str = ""
    """Why there is no value, in words."""


class PartValue(FrozenModel):
    """What one part of a delivery, its real or its synthetic rows, adds. In `Measured.unit`, higher is better."""

    n_rows: int
    given_holdings: Quantity
    """To the holdings."""
    given_rest: Quantity
    """To the holdings and the delivery's other part."""


class Measured(FrozenModel):
    """What is known of a delivery when a policy looks at it."""

    quantities: dict[QuantityName, Quantity]
    """One that is missing is unknown."""
    table_version: int | None
    """Version of the table that it was valued against. None before there is a table."""
    n_rows: int
    """Rows that would be appended: those that the gate admits."""
    n_dropped: int
    """Rows that the gate leaves out."""
    n_tokens: float | None = None
    """Answer tokens of those rows, of a causal LM; None where they are not counted."""
    price: float | None = None
    """Sum of those rows' prices; None where none was given."""
    parts: dict[str, PartValue] = Field(default_factory=dict)
    """By part, `real` and `synthetic`; without parts that have no rows."""
    unit: Literal["nats", "score"] = "nats"
    """Of values. Of a causal LM they are scores: no training gains as many nats."""
    notes: list[str] = Field(default_factory=list)
    """What is to be known about the holdings, in sentences: that they were summed anew, and why."""
    rejected: str | None = None
    """Why the gate of rows and suites rejects it; None when it is in."""
    failed: str | None = None
    """Why it could not be measured. The gate stays closed."""


class Standing(FrozenModel):
    """What a policy knows of earlier decisions."""

    spent: float = Field(default=0.0, ge=0)
    """Accepted in the budget's current period, in the budget's units."""
    accepted_rows: int = Field(default=0, ge=0)
    """Rows accepted of this contributor so far, in all."""
    overwrites: bool = False
    """Whether the delivery's name was delivered before with other bytes."""


class Ruling(FrozenModel):
    """What a policy says of a delivery."""

    action: Action
    rule: str
    """Name of the rule that decided, or of what decided where no rule did."""
    sentence: str
    """Why, with the numbers, for people."""


class Decision(FrozenModel):
    """What becomes of a delivery. Written once an attempt; whoever comes second takes what stands."""

    digest: str
    attempt: int = Field(ge=0)
    """0, and one more whenever the same bytes are decided anew: after a replay, or when the holdings have changed."""
    contributor: str
    name: str
    action: Action
    rule: str
    """Name of the rule that decided."""
    sentence: str
    """The same with its numbers, for people."""
    measured: Measured
    policy: str
    """Digest of the policy."""
    seed: int
    decided: str
    """UTC, ISO 8601."""
    decided_by: Literal["policy", "person"] = "policy"
    why: str = ""
    """What a person gave as the reason."""
    shadow: bool = False
    """Decided and not carried out."""
