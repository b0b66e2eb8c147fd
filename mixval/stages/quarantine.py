"""What a person says of a delivery: decided anew, taken in, or given up. Each is another attempt in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from mixval.config.ingestion import IngestionConfig
from mixval.config.policy import Action
from mixval.contracts.gate_run import DeliveryOutcome
from mixval.contracts.ingestion import Decision
from mixval.errors import ConfigError, ConflictError
from mixval.lake.delta import open_table
from mixval.lake.ledger import Ledger
from mixval.stages.account import Account
from mixval.stages.ingesting import GateRun, append_decided, pinned_before
from mixval.stages.ledger_view import LedgerView, policy_digest
from mixval.stages.whole_run import Maker

Word = Literal["replay", "accept", "discard"]
ACTIONS: dict[Word, Action] = {"replay": "quarantine", "accept": "accept", "discard": "reject"}
SENTENCES: dict[Word, str] = {
    "replay": "waits to be decided anew by the next run, as a person asked",
    "accept": "accepted by a person",
    "discard": "given up by a person",
}
LEAST_DIGITS = 6
"""Of a digest by which a delivery may be named."""


def waiting(config: IngestionConfig) -> list[Decision]:
    """The decisions on what waits in quarantine, by name."""
    view = LedgerView.of(Ledger(config))
    found = [one for one in view.standing.values() if one.action == "quarantine"]
    return sorted(found, key=lambda one: (one.name, one.digest))


def decision_on(config: IngestionConfig, delivery: str) -> Decision:
    """The standing decision on a delivery, named by its path below the inbox or the first digits of its digest.

    Raises ConfigError where none is meant, or several are.
    """
    standing = LedgerView.of(Ledger(config)).standing
    if delivery in standing:
        return standing[delivery]
    is_digest = len(delivery) >= LEAST_DIGITS and set(delivery) <= set("0123456789abcdef")
    found = [one for one in standing.values() if one.name == delivery or (is_digest and one.digest.startswith(delivery))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            f"{delivery}: expected a delivery that was decided, by its path below the inbox or the first {LEAST_DIGITS} or "
            f"more digits of its digest, found none in {config.state}. `mixval quarantine list` shows what waits."
        )
    keys = ", ".join(f"{one.digest[:16]} ({one.action})" for one in sorted(found, key=lambda one: one.decided))
    raise ConfigError(f"{delivery}: expected one delivery, found {len(found)} of this name: {keys}. Give the digits.")


def rule_on(config: IngestionConfig, delivery: str, word: Word, why: str, maker: Maker) -> DeliveryOutcome:
    """Write down what a person says of a delivery, and carry it out.

    Raises ConfigError where no delivery is meant, no reason is given, or there is nothing to say: it is in the table already,
    or has no rows that could enter. ConflictError where another decision came between, ChangedFileError where its pinned
    copy is gone, StorageError for another table than the ledger's.
    """
    ledger, before = Ledger(config), decision_on(config, delivery)
    table = open_table(config.table, config.storage)
    version = table.version()
    ledger.bind(table.url, table.identity())
    keys = () if version is None else table.rows_by_key(version)
    _refuse(before, word, why, in_table=any(key.delivery == before.digest for key in keys))
    if word != "discard":
        pinned_before(config, ledger, before)  # what is gone can neither be appended nor decided anew
    measured = before.measured.model_copy(update={"table_version": version})
    wanted = Decision(
        digest=before.digest,
        attempt=before.attempt + 1,
        contributor=before.contributor,
        name=before.name,
        action=ACTIONS[word],
        rule=word,
        sentence=f"{SENTENCES[word]}: {why.strip()}",
        measured=measured if word == "accept" else before.measured,
        policy=policy_digest(config),
        seed=config.seed,
        decided=datetime.now(UTC).isoformat(timespec="seconds"),
        decided_by="person",
        why=why.strip(),
    )
    stands = ledger.decide(wanted)
    if (stands.action, stands.why, stands.decided_by) != (wanted.action, wanted.why, "person"):
        raise ConflictError(
            f"{before.name}: expected to write attempt {wanted.attempt}, found that another one decided it meanwhile: "
            f"{stands.sentence} Look at it, and say it again."
        )
    if word != "accept":
        return DeliveryOutcome(decision=stands, is_new=True)
    appended = append_decided(GateRun(config, maker, Account(), ledger, table), stands)
    return DeliveryOutcome(decision=stands, is_new=True, version=appended.version)


def _refuse(before: Decision, word: Word, why: str, *, in_table: bool) -> None:
    if not why.strip():
        raise ConfigError("--why: expected the reason, which the ledger keeps, found nothing. Say why.")
    if in_table:
        raise ConfigError(
            f"{before.name}: expected a delivery that is not in the table, found its rows in it. They are "
            "removed by whoever owns the table."
        )
    if word == "accept" and before.measured.n_rows == 0:
        raise ConfigError(
            f"{before.name}: expected rows that could enter the table, found none that can be read: {before.sentence} Deliver "
            "the file again."
        )
