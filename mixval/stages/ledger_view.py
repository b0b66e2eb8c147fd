"""What earlier decisions mean for the next one: what is spent, what a contributor has brought in, and what is to be decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from mixval.config.fingerprint import fingerprint
from mixval.config.ingestion import IngestionConfig
from mixval.config.policy import Budget, PolicyConfig
from mixval.contracts.ingestion import Decision, PinnedDelivery, Standing
from mixval.errors import DamagedRecordError
from mixval.lake.ledger import Ledger
from mixval.stages.deciding import OVERWRITE, spending

VERSION = 1
"""Raised whenever what a policy's digest stands for changes."""


def policy_digest(config: IngestionConfig) -> str:
    """Names everything that decides besides the delivery and the table: rules, limits, model, target, seed. Not whether it is
    carried out (`policy.shadow`)."""
    policy = config.policy.model_copy(update={"shadow": False})
    return fingerprint(
        "policy",
        VERSION,
        policy=policy,
        gate=config.gate,
        valuation=config.valuation,
        backbone=config.backbone,
        target=config.target,
        seed=config.seed,
    )


@dataclass(frozen=True)
class LedgerView:
    """The standing decisions of a ledger, by digest: the last attempt of each."""

    standing: dict[str, Decision]
    broken: dict[str, str] = field(default_factory=dict)
    """Digest of a delivery with a decision that is not as it was written -> what was found. None of its decisions stands."""

    @classmethod
    def of(cls, ledger: Ledger) -> LedgerView:
        """Of all decisions in a ledger."""
        broken: dict[str, str] = {}

        def note(error: DamagedRecordError) -> None:
            broken[error.digest] = str(error)

        found = {one.digest: one for one in ledger.decisions(note)}
        return cls({digest: one for digest, one in found.items() if digest not in broken}, broken)

    def for_delivery(self, pinned: PinnedDelivery, policy: PolicyConfig, now: datetime) -> Standing:
        """What a policy is told of earlier decisions, for this delivery: of what entered; in shadow mode, of what would."""
        accepted = [one for one in self.standing.values() if one.action == "accept" and (policy.shadow or not one.shadow)]
        others = [one for one in accepted if one.digest != pinned.digest]
        own = [one for one in others if one.contributor == pinned.delivery.contributor]
        before = self.standing.get(pinned.digest)
        return Standing(
            spent=0.0 if policy.budget is None else _spent(others, policy.budget, now),
            accepted_rows=sum(one.measured.n_rows for one in own),
            overwrites=pinned.supersedes is not None or (before is not None and before.rule == OVERWRITE),
        )

    def is_open(self, digest: str, version: int | None, policy: str, shadow: bool) -> bool:
        """Whether a delivery is to be decided: one that is new, that waits and can be decided otherwise now, or that was
        decided in shadow mode and is to be decided in earnest. Not one whose decisions cannot be read."""
        if digest in self.broken:
            return False
        one = self.standing.get(digest)
        if one is None or (one.shadow and not shadow):
            return True
        if one.action != "quarantine":
            return False
        return one.decided_by == "person" or one.measured.table_version != version or one.policy != policy


def _spent(accepted: Iterable[Decision], budget: Budget, now: datetime) -> float:
    """Of a budget, by decisions of its current period."""
    began = budget.began(now)
    current = [one for one in accepted if datetime.fromisoformat(one.decided) >= began]
    return sum(spending(budget, one.measured) or 0.0 for one in current)
