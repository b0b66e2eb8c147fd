"""The summary of a run of the gate in front of a table."""

from __future__ import annotations

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.config.policy import Action
from mixval.contracts.ingestion import Decision

SOMETHING_STAYS_OUT = 3
"""Exit code of a run after which a delivery waits in quarantine, was rejected by the policy, or could not be decided."""


class DeliveryOutcome(FrozenModel):
    """What stands for a delivery once a run has ended."""

    decision: Decision
    is_new: bool
    """Whether this run decided; else an earlier one, and nothing has changed since."""
    version: int | None = None
    """Version of the table that the rows entered; None where they are not in the table."""

    @property
    def action(self) -> Action:
        """What becomes of it."""
        return self.decision.action

    @property
    def stays_out(self) -> bool:
        """Whether it waits, or was refused by the policy. What a person has refused is settled."""
        return self.action == "quarantine" or (self.action == "reject" and self.decision.decided_by == "policy")


class GateRunSummary(FrozenModel):
    """What a run of the gate did. Small enough to be a flow's return value."""

    headline: str
    """How many deliveries were accepted, wait, and were rejected."""
    run_id: str | None
    """None where nothing was published, since nothing had changed."""
    url: str
    """Folder of the run with its report, or of the latest one."""
    table: str
    """URL of the table."""
    version: int | None
    """The table's version at the end; None where there is no table yet."""
    n_appended: int = 0
    """Rows that entered the table."""
    shadow: bool = False
    """Decided and not carried out."""
    deliveries: list[DeliveryOutcome] = Field(default_factory=list)
    """In the order in which they were decided."""
    failed: dict[str, str] = Field(default_factory=dict)
    """Delivery -> why it could not be decided. It is tried again by the next run."""
    ignored: dict[str, str] = Field(default_factory=dict)
    """File of the inbox that is no delivery -> why."""
    findings: list[str] = Field(default_factory=list)
    """What else is worth knowing: how holdings were made, where table and decisions disagree."""
    timings_seconds: dict[str, float] = Field(default_factory=dict)
    """Stage -> wall seconds."""

    def count(self, action: Action) -> int:
        """Deliveries with this outcome."""
        return sum(one.action == action for one in self.deliveries)

    @property
    def exit_code(self) -> int:
        """0 where everything was accepted or settled, else `SOMETHING_STAYS_OUT`."""
        return SOMETHING_STAYS_OUT if self.failed or any(one.stays_out for one in self.deliveries) else 0
