"""Table and ledger brought together again: what is missing is done, what cannot be known is said.

The table is the record of what is in it, the ledger of what was decided. What stands in both is done. A gate that was killed
between the two left a decision without rows, which this makes good; nothing is ever appended that a decision does not accept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mixval.contracts.ingestion import Decision
from mixval.errors import ConflictError, DamagedRecordError, MixvalError, reason_of
from mixval.lake.ledger import Ledger
from mixval.lake.steps import reached
from mixval.lake.table import Appended, LakeTable

State = Literal["held", "committed", "stale", "failed", "restored", "partly", "unsigned", "undecided"]
"""What was found of a delivery.

`held`: its rows are in the table, as decided. `committed`: they were missing, and are now. `stale`: they were missing, and the
table has moved on: it is to be valued anew, as another attempt. `failed`: they are missing, and could not be appended now.
`restored`: they were appended and are gone, since the table was restored to an older version or they were deleted; only another
attempt brings them in again. `partly`: some of them are gone. `unsigned`: they are there, and the transaction that appended
them is not in the log any more. `undecided`: rows of a delivery that no decision of this ledger accepts, or more of them."""


@dataclass(frozen=True)
class Found:
    """One delivery as table and ledger have it."""

    digest: str
    state: State
    sentence: str
    """For people, with numbers."""
    decision: Decision | None = None
    """The one that stands; None for `undecided` without any."""


@dataclass(frozen=True)
class Reconciliation:
    """Everything that was accepted or is in the table, by digest, and what could not be read."""

    found: tuple[Found, ...]
    damaged: tuple[str, ...] = ()
    """Decisions that are not as they were written, in words."""

    def of(self, *states: State) -> list[Found]:
        """What was found in these states."""
        return [one for one in self.found if one.state in states]


def reconcile(ledger: Ledger, table: LakeTable, append: Callable[[Decision], Appended]) -> Reconciliation:
    """What of the accepted deliveries is in the table; those that never were are appended by `append` (see `commit`).

    May be repeated and run beside other gates. What is found wrong with one delivery does not keep the others from their turn.
    Raises StorageError where ledger or table cannot be reached.
    """
    ledger.bind(table.url, table.identity())
    damaged: list[str] = []
    standing = _standing(ledger, damaged)
    version = table.version()
    held: dict[str, dict[int, int]] = {}
    for key, n_rows in {} if version is None else table.rows_by_key(version).items():
        held.setdefault(key.delivery, {})[key.attempt] = n_rows
    standing |= {digest: one for digest in held if (one := _restated(ledger, standing.get(digest), max(held[digest])))}
    accepted = [one for one in standing.values() if _is_accepted(one)]
    entered = table.attempts([one.digest for one in accepted])
    found = [_accepted(one, sum(held.get(one.digest, {}).values()), entered.get(one.digest), append) for one in accepted]
    others = sorted(set(held) - {one.digest for one in accepted})
    found += [_undecided(digest, sum(held[digest].values()), standing.get(digest)) for digest in others]
    reached("reconciled", table.url)
    return Reconciliation(tuple(sorted(found, key=lambda one: one.digest)), tuple(damaged))


def _standing(ledger: Ledger, damaged: list[str]) -> dict[str, Decision]:
    """The last decision on each digest. Of a delivery one of whose decisions is damaged, none stands."""
    broken = set[str]()

    def note(error: DamagedRecordError) -> None:
        damaged.append(str(error))
        broken.add(error.digest)

    found = {one.digest: one for one in ledger.decisions(note)}
    return {digest: one for digest, one in found.items() if digest not in broken}


def _restated(ledger: Ledger, stands: Decision | None, attempt: int) -> Decision | None:
    """The decision under which a delivery entered, said again where a policy has decided otherwise since, not knowing that it
    was in: of two gates, one appended it while the other found that the table had moved. None where nothing is to be said."""
    if stands is None or _is_accepted(stands) or stands.decided_by == "person" or attempt >= stands.attempt:
        return None
    entered = ledger.decision(stands.digest, attempt)
    if not _is_accepted(entered):
        return None
    sentence = f"{entered.sentence} It was in the table when attempt {stands.attempt} was decided, which does not count."
    return ledger.decide(entered.model_copy(update={"attempt": stands.attempt + 1, "sentence": sentence}))


def _is_accepted(decision: Decision) -> bool:
    return decision.action == "accept" and not decision.shadow


def _accepted(decision: Decision, n_held: int, entered: int | None, append: Callable[[Decision], Appended]) -> Found:
    """What the table has of an accepted delivery, by its rows and by the attempt that entered last."""
    n_rows = decision.measured.n_rows
    state: State
    if not n_held and (entered is None or entered < decision.attempt):  # never, or under an attempt whose rows are gone
        state, sentence = _missing(decision, append)
    elif not n_held and n_rows:
        state, sentence = "restored", f"its {n_rows:,} rows were appended, and are gone: restored to before, or deleted"
    elif n_held > n_rows:
        state, sentence = "undecided", f"{n_held:,} rows carry its key, and {n_rows:,} were accepted: somebody copied rows"
    elif entered is None:
        state, sentence = "unsigned", f"{n_held:,} rows are there, and the log has lost the transaction that appended them"
    elif n_held < n_rows:
        state, sentence = "partly", f"{n_held:,} of {n_rows:,} rows are in the table; the others were deleted since"
    else:
        state, sentence = "held", f"{n_held:,} rows are in the table"
    return Found(decision.digest, state, f"'{decision.name}': {sentence.rstrip('.')}.", decision)


def _missing(decision: Decision, append: Callable[[Decision], Appended]) -> tuple[State, str]:
    try:
        appended = append(decision)
    except ConflictError as error:
        return "stale", f"accepted against a version that has passed; it is to be valued anew ({error})"
    except MixvalError as error:
        return "failed", f"accepted, and could not be appended: {reason_of(error)}"
    if appended.was_there:
        return "held", "another gate appended its rows just now"
    return "committed", f"{decision.measured.n_rows:,} rows that were accepted before are in version {appended.version} now"


def _undecided(digest: str, n_rows: int, decision: Decision | None) -> Found:
    found = "no decision in this ledger" if decision is None else f"the decision that stands is `{decision.action}`"
    return Found(digest, "undecided", f"{digest[:16]}: {n_rows:,} rows are in the table, and there is {found}.", decision)
