"""The gate in front of a table: what lies in the inbox is pinned, valued together, and decided one by one.

    inbox      listed; each delivery's bytes pinned by content, and read from that copy ever after
    reconcile  what was accepted and is missing in the table is appended, before and after
    value      all open deliveries together, as contributors of one sketched valuation (`deliveries.py`)
    decide     by name below the inbox, each given what the table holds by then (`settling.py`)

A delivery that fails closes the gate for itself alone. Killed anywhere and started again, no row is lost or doubled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from mixval.config.ingestion import IngestionConfig
from mixval.contracts.gate_run import DeliveryOutcome
from mixval.contracts.ingestion import Decision, Delivery, PinnedDelivery
from mixval.errors import ConflictError, MixvalError, reason_of
from mixval.lake.delta import open_table
from mixval.lake.inbox import list_inbox
from mixval.lake.ledger import Ledger
from mixval.lake.reconciling import State, reconcile
from mixval.lake.staging import pin, repin
from mixval.lake.table import Appended, LakeTable
from mixval.progress import current
from mixval.stages.account import Account
from mixval.stages.deliveries import Valued, value_deliveries
from mixval.stages.ledger_view import LedgerView, policy_digest
from mixval.stages.settling import Settling, append
from mixval.stages.whole_run import Maker
from mixval.storage.root import open_location

NOTEWORTHY: tuple[State, ...] = ("restored", "partly", "unsigned", "undecided")
"""What reconciling finds that somebody should look at, besides what failed."""


@dataclass
class GateRun:
    """A run of the gate on its way, and what it has found."""

    config: IngestionConfig
    maker: Maker | None
    """None: nobody values, and what is to be valued is only noted."""
    account: Account
    ledger: Ledger
    table: LakeTable
    outcomes: dict[str, DeliveryOutcome] = field(default_factory=dict)
    """By digest, in the order in which they were decided."""
    failed: dict[str, str] = field(default_factory=dict)
    """Name of a delivery -> why it could not be decided."""
    ignored: dict[str, str] = field(default_factory=dict)
    """Name -> why it is no delivery, or none yet."""
    findings: list[str] = field(default_factory=list)
    appended: dict[str, Appended] = field(default_factory=dict)
    """Digest -> what reconciling appended."""
    missing: set[str] = field(default_factory=set)
    """Digests of what was accepted and could not be appended, which is among `failed`."""
    n_appended: int = 0
    """Rows that entered the table."""
    changed: dict[str, float] = field(default_factory=dict)
    """As in `Seen`."""
    valued: Valued | None = None
    """The deliveries that were valued to be decided; None where there was none."""

    @property
    def has_news(self) -> bool:
        """Whether this run decided or appended anything."""
        return self.n_appended > 0 or any(one.is_new for one in self.outcomes.values())


@dataclass(frozen=True)
class Seen:
    """What a listing of the inbox found, pinned."""

    pinned: dict[str, PinnedDelivery]
    """By digest, in the order of names."""
    failed: dict[str, str]
    """Name of a delivery, or of a folder -> why it could not be pinned, or listed."""
    ignored: dict[str, str]
    """Name -> why it is no delivery, or none yet."""
    changed: dict[str, float]
    """Name -> when it was last changed, in seconds since 1970, where the store says."""


_SEEN: ContextVar[tuple[IngestionConfig, Seen] | None] = ContextVar("seen", default=None)


def idle_run(config: IngestionConfig) -> GateRun | Seen:
    """A run that has nothing to value, which needs no model and no cluster; where something is to be valued, what was seen of
    the inbox, for `seen_before`.

    Raises as `run_gate` does.
    """
    run = _begun(config, None, Account())
    seen = _look(config, run.ledger, run.account)
    return seen if _todo(run, seen)[1] else run


@contextmanager
def seen_before(config: IngestionConfig, seen: Seen) -> Iterator[None]:
    """Within this block `run_gate` for this configuration takes what was seen a moment ago instead of listing and pinning
    again."""
    token = _SEEN.set((config, seen))
    try:
        yield
    finally:
        _SEEN.reset(token)


def run_gate(config: IngestionConfig, maker: Maker, account: Account) -> GateRun:
    """Take what lies in the inbox once.

    Raises ConfigError for places that are not apart, TargetError, ModelError and the like where nothing can be valued,
    ContractError for a table whose rows cannot be, and StorageError where inbox, state or table cannot be reached or written.
    """
    run, before = _begun(config, maker, account), _SEEN.get()
    seen = before[1] if before is not None and before[0] == config else _look(config, run.ledger, account)
    view, todo = _todo(run, seen)
    if todo:
        _settle(run, maker, view, todo)
        _reconcile(run)
    return run


def _begun(config: IngestionConfig, maker: Maker | None, account: Account) -> GateRun:
    run = GateRun(config, maker, account, Ledger(config), open_table(config.table, config.storage))
    run.table.version()  # what is no table is said before anything is read
    return run


def _todo(run: GateRun, seen: Seen) -> tuple[LedgerView, dict[str, PinnedDelivery]]:
    """Earlier decisions, and what is to be decided: all that comes before a model is needed."""
    run.ignored, run.failed, run.changed = dict(seen.ignored), dict(seen.failed), dict(seen.changed)
    passed = _reconcile(run)
    view = LedgerView.of(run.ledger)
    return view, _open_deliveries(run, view, seen.pinned, passed)


def pinned_before(config: IngestionConfig, ledger: Ledger, decision: Decision) -> PinnedDelivery:
    """The pinned copy of a delivery that was decided before. Raises ChangedFileError where it is gone."""
    copy = repin(decision.digest, decision.name, ledger)
    delivery = Delivery(
        contributor=decision.contributor,
        name=decision.name,
        url=f"{open_location(config.inbox, config.storage).url}/{decision.name}",
        size_bytes=copy.size(),
        version="",
    )
    return PinnedDelivery(delivery=delivery, digest=decision.digest, url=copy.url)


def append_decided(run: GateRun, decision: Decision) -> Appended:
    """Append what was accepted before: its rows are those that the gate admitted then. Raises as `append` does."""
    if run.maker is None:
        raise ConflictError(
            f"'{decision.name}': expected somebody who can value, found that nobody was asked to. Run the gate."
        )
    pinned = pinned_before(run.config, run.ledger, decision)
    [one] = value_deliveries(run.config, [pinned], run.maker, run.account).deliveries
    appended = append(run.config, run.table, one, decision)
    if not appended.was_there:
        run.n_appended += decision.measured.n_rows
        run.appended[decision.digest] = appended
    return appended


def _look(config: IngestionConfig, ledger: Ledger, account: Account) -> Seen:
    """List the inbox and pin its deliveries."""
    listing, errors = list_inbox(config), list[MixvalError]()
    blocked = {one.name: one.reason for one in listing.blocked}
    ignored = {one.name: one.reason for one in (*listing.ignored, *listing.waiting)}
    seen = Seen({}, blocked, ignored, dict(listing.changed))
    with account.stage("inbox", len(listing.deliveries)) as end_with:
        for delivery in listing.deliveries:
            try:
                pinned = pin(delivery, config, ledger)
            except MixvalError as error:
                seen.failed[delivery.name] = reason_of(error)
                errors.append(error)
            else:
                if pinned.digest in seen.pinned:
                    first = seen.pinned[pinned.digest].delivery.name
                    seen.ignored[delivery.name] = f"it has the same bytes as {first}, which are decided once"
                    seen.changed.pop(delivery.name, None)
                seen.pinned.setdefault(pinned.digest, pinned)
            current().step("inbox", delivery.name)
        end_with(f"{len(seen.pinned)} deliveries")
    if errors and not seen.pinned:  # it is the state that cannot be written, and no delivery's fault
        raise errors[0]
    return seen


def _open_deliveries(
    run: GateRun, view: LedgerView, pinned: Mapping[str, PinnedDelivery], passed: set[str]
) -> dict[str, PinnedDelivery]:
    """What is to be decided, by digest and in the order of names: of the inbox, and of what waits in quarantine.

    What stands is an outcome of the run: of the inbox, and what waits.
    """
    version, policy, shadow = run.table.version(), policy_digest(run.config), run.config.policy.shadow
    todo = dict[str, PinnedDelivery]()
    run.failed |= {one.delivery.name: view.broken[digest] for digest, one in pinned.items() if digest in view.broken}
    for digest in pinned.keys() | view.standing.keys():
        before = view.standing.get(digest)
        if digest in passed or view.is_open(digest, version, policy, shadow):
            try:
                if digest in pinned:
                    todo[digest] = pinned[digest]
                elif before is not None:
                    todo[digest] = pinned_before(run.config, run.ledger, before)
            except MixvalError as error:
                run.failed["" if before is None else before.name] = reason_of(error)
        elif before is not None and digest not in run.missing and (digest in pinned or before.action == "quarantine"):
            there = run.appended.get(digest)
            run.outcomes[digest] = DeliveryOutcome(
                decision=before, is_new=False, version=None if there is None else there.version
            )
    run.outcomes = dict(sorted(run.outcomes.items(), key=lambda item: (item[1].decision.name, item[0])))
    return dict(sorted(todo.items(), key=lambda item: (item[1].delivery.name, item[0])))


def _settle(run: GateRun, maker: Maker, view: LedgerView, todo: Mapping[str, PinnedDelivery]) -> None:
    """Value all that nobody else works on together, then decide one after the other."""
    mine = {digest: one for digest, one in todo.items() if run.ledger.claim(digest)}
    for digest in todo.keys() - mine.keys():
        run.failed[todo[digest].delivery.name] = "another gate works on it just now"
    if not mine:
        return
    try:
        run.valued = valued = value_deliveries(run.config, list(mine.values()), maker, run.account)
        _decide(run, Settling(run.config, valued, run.ledger, run.table, view, maker.make))
    finally:
        for digest in mine:
            run.ledger.release(digest)


def _decide(run: GateRun, settling: Settling) -> None:
    deliveries, errors = settling.valued.deliveries, list[MixvalError]()
    with run.account.stage("decide", len(deliveries)) as end_with:
        for one in deliveries:
            name = one.pinned.delivery.name
            try:
                outcome = settling.settle(one)
            except MixvalError as error:
                run.failed[name] = reason_of(error)
                errors.append(error)
                current().step("decide", f"{name}: failed")
            else:
                run.outcomes[one.pinned.digest] = outcome
                current().step("decide", f"{name}: {outcome.action}")
        if len(errors) == len(deliveries):  # it is table or ledger, and no delivery's fault
            raise errors[0]
        settling.store()
        end_with(f"{settling.n_appended:,} rows appended")
    run.n_appended += settling.n_appended
    run.findings += settling.findings


def _reconcile(run: GateRun) -> set[str]:
    """Append what was accepted and is missing, and note what does not agree. Digests whose decision has passed: the table is
    another one than they were valued against."""
    if run.config.policy.shadow:
        return set()
    found = reconcile(run.ledger, run.table, lambda decision: append_decided(run, decision))
    for one in found.of("failed"):
        if one.decision is not None:
            run.failed[one.decision.name] = one.sentence.removeprefix(f"'{one.decision.name}': ")
            run.missing.add(one.digest)
            run.outcomes.pop(one.digest, None)
    said = [one.sentence for one in found.of(*NOTEWORTHY)] + list(found.damaged)
    run.findings += [words for words in said if words not in run.findings]
    return {one.digest for one in found.of("stale")}
