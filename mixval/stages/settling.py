"""One delivery after the other: valued given the version of the table that it would enter, decided, and appended once.

Two deliveries that are alike are not both worth what each is alone, so the second is valued when the first is in. Where
somebody else appended meanwhile (`policy.freshness`), a delivery is valued and decided anew, as another attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa

from mixval.config.ingestion import IngestionConfig
from mixval.contracts.gate_run import DeliveryOutcome
from mixval.contracts.ingestion import Decision, Measured, Ruling
from mixval.errors import ConflictError, ContractError, MixvalError, StorageError, reason_of
from mixval.lake.columns import compare_schemas
from mixval.lake.committing import Freshness, commit
from mixval.lake.ledger import Ledger
from mixval.lake.table import Appended, LakeTable
from mixval.stages.admitted_rows import admitted_rows
from mixval.stages.deciding import decide
from mixval.stages.deliveries import Valued, ValuedDelivery
from mixval.stages.held_batches import Make
from mixval.stages.holdings import Holdings, holdings_at, keep_holdings
from mixval.stages.ledger_view import LedgerView, policy_digest
from mixval.stages.marginal import UNREAD_ADVICE, measure_given, not_measured, unread

MOST_ATTEMPTS = 100
"""Of a delivery in one run: each failure is another gate's success."""
WHENEVER = 2**31
"""Freshness of what a person accepts: whatever the table's version is by then."""
SCHEMA = "schema change"
"""What decides where a delivery has columns that the table lacks, or cannot take."""

Clock = Callable[[], datetime]


@dataclass
class Settling:
    """Decides and appends the deliveries of a run, in the order in which it is asked."""

    config: IngestionConfig
    valued: Valued
    ledger: Ledger
    table: LakeTable
    view: LedgerView
    make: Make
    clock: Clock = field(default=lambda: datetime.now(UTC))
    findings: list[str] = field(default_factory=list)
    """How holdings were made, where it was not by addition."""
    n_appended: int = 0
    """Rows that entered."""
    _holdings: Holdings | None = None

    def __post_init__(self) -> None:
        """Say at once where no value can tell."""
        if not self.valued.config.reads_answers:
            self.findings.append(UNREAD_ADVICE)

    def settle(self, one: ValuedDelivery) -> DeliveryOutcome:
        """The delivery's decision, written down and carried out.

        Raises StorageError where ledger or table cannot be reached or written, and ContractError for a table whose rows cannot
        be valued.
        """
        for _ in range(MOST_ATTEMPTS):
            holdings = self.holdings()
            decision = self._decided(one, holdings)
            if decision.action != "accept" or decision.shadow:
                if decision.action == "accept" and one.batch is not None:  # what comes next is valued as if it were in
                    self._holdings = holdings.with_batch(one.batch)
                return DeliveryOutcome(decision=decision, is_new=True)
            try:
                appended = self._append(one, decision)
            except ConflictError:
                self._moved()
                if (entered := self._entered(one)) is not None:
                    return entered
                continue
            except ContractError as error:  # rows that do not fit the table as they are
                one = replace(one, batch=None, failed=f"its rows could not be appended: {reason_of(error)}")
                continue
            self._grow(one, holdings, appended)
            return DeliveryOutcome(decision=decision, is_new=True, version=appended.version)
        raise StorageError(
            f"{self.table.url}: expected to append '{one.pinned.delivery.name}', but another writer was first {MOST_ATTEMPTS} "
            "times. Set `policy.freshness` to a number of versions, or run fewer writers at a time."
        )

    def holdings(self) -> Holdings:
        """What the table holds now. In shadow mode with what would have entered."""
        version = self.table.version()
        if self._holdings is None or self._holdings.version != version:
            self._holdings = holdings_at(self.valued.config, self.valued.prepared, self.table, version, self.make)
            self.findings += [note for note in self._holdings.notes if note not in self.findings]
        return self._holdings

    def store(self) -> None:
        """Store what the table holds now, for the next run."""
        if self.n_appended:
            keep_holdings(self.valued.config, self.valued.prepared, self.table, self.holdings())

    def _decided(self, one: ValuedDelivery, holdings: Holdings) -> Decision:
        """The decision that stands for the next attempt: this gate's, or that of whoever was first.

        The next one is that after the last attempt that this gate knows of: two gates that know the same take one decision.
        """
        measured = self._measured(one, holdings)
        pinned, now, policy = one.pinned, self.clock(), self.config.policy
        ruling = self._schema_ruling(one, measured) or decide(policy, measured, self.view.for_delivery(pinned, policy, now))
        known = self.view.standing.get(pinned.digest)
        decision = self.ledger.decide(
            Decision(
                digest=pinned.digest,
                attempt=0 if known is None else known.attempt + 1,
                contributor=pinned.delivery.contributor,
                name=pinned.delivery.name,
                action=ruling.action,
                rule=ruling.rule,
                sentence=ruling.sentence,
                measured=measured,
                policy=policy_digest(self.config),
                seed=self.config.seed,
                decided=now.isoformat(timespec="seconds"),
                shadow=policy.shadow,
            )
        )
        self.view.standing[pinned.digest] = decision
        return decision

    def _measured(self, one: ValuedDelivery, holdings: Holdings) -> Measured:
        if one.batch is None:
            rejected = None if one.failed is not None else one.outcome.reason
            return not_measured(one.outcome, holdings.version, rejected=rejected, failed=one.failed)
        target, sample = self.valued.prepared.target_job, self.valued.config.sample
        try:
            found = measure_given(holdings, one.batch, one.outcome, target, sample, one.price)
            return found if self.valued.config.reads_answers else unread(found)
        except MixvalError as error:  # the gate stays closed for this one; the others go on
            return not_measured(one.outcome, holdings.version, failed=reason_of(error))

    def _schema_ruling(self, one: ValuedDelivery, measured: Measured) -> Ruling | None:
        """The ruling on a delivery whose columns are not the table's; None where they are, or may become so."""
        if one.job is None or measured.rejected is not None or measured.failed is not None:
            return None
        held = None if measured.table_version is None else self.table.schema()
        change = compare_schemas(held, self._schema(one))
        if change.clashing:
            return Ruling(action="quarantine", rule=SCHEMA, sentence=f"quarantined by `{SCHEMA}`: {' '.join(change.clashing)}")
        if change.new and self.config.policy.schema_change == "quarantine":
            words = (
                f"quarantined by `{SCHEMA}`: the table has no column {', '.join(map(repr, change.new))}. Deliver it "
                "without, or set `policy.schema_change: widen`."
            )
            return Ruling(action="quarantine", rule=SCHEMA, sentence=words)
        return None

    def _schema(self, one: ValuedDelivery) -> pa.Schema:
        if one.job is None:
            raise ContractError(f"delivery '{one.pinned.delivery.name}': expected rows that the gate admits, found none.")
        with admitted_rows(one.job)() as rows:
            return rows.schema

    def _append(self, one: ValuedDelivery, decision: Decision) -> Appended:
        return append(self.config, self.table, one, decision)

    def _grow(self, one: ValuedDelivery, holdings: Holdings, appended: Appended) -> None:
        """Take the appended rows into the holdings, by addition where nothing else came between."""
        if not appended.was_there:
            self.n_appended += one.outcome.n_real + one.outcome.n_synthetic
        comes_next = 0 if holdings.version is None else holdings.version + 1
        if one.batch is None or appended.was_there or appended.version != comes_next:
            self._holdings = None
        else:
            self._holdings = replace(holdings.with_batch(one.batch), version=appended.version, notes=())

    def _entered(self, one: ValuedDelivery) -> DeliveryOutcome | None:
        """The outcome where another gate has appended the delivery meanwhile."""
        stands, attempt = self.view.standing.get(one.pinned.digest), self.table.attempt(one.pinned.digest)
        if stands is None or stands.action != "accept" or stands.attempt != attempt:
            return None
        return DeliveryOutcome(decision=stands, is_new=False)

    def _moved(self) -> None:
        """Another writer was first: what it decided counts, too."""
        self._holdings = None
        self.view = LedgerView.of(self.ledger)


def append(config: IngestionConfig, table: LakeTable, one: ValuedDelivery, decision: Decision) -> Appended:
    """Append the rows of a decided delivery. Raises as `mixval.lake.committing.commit` does."""
    if one.job is None:
        raise ContractError(
            f"delivery '{decision.name}': expected rows to append, found none that can be read: {one.outcome.reason}"
        )
    freshness: Freshness = WHENEVER if decision.decided_by == "person" else config.policy.freshness
    widen = decision.decided_by == "person" or config.policy.schema_change == "widen"
    return commit(decision, one.pinned, table, admitted_rows(one.job), freshness, widen)
