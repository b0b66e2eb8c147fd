"""A decision is carried out once, and table and ledger are brought together again: by hand, step by step, in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from benchmarks.gate.scene import Gate, accepted, deliver, lay_out, rows_in, shard
from mixval.contracts.ingestion import Decision, PinnedDelivery
from mixval.errors import ConflictError, ContractError, DamagedRecordError, MixvalError, SchemaError, StorageError
from mixval.lake.committing import commit
from mixval.lake.inbox import list_inbox
from mixval.lake.reconciling import Found
from mixval.lake.staging import pin
from mixval.lake.table import Appended
from mixval.storage.root import open_location


def pinned(gate: Gate, name: str = "a/x.parquet", rows: pa.Table | None = None) -> PinnedDelivery:
    deliver(gate.config, name, shard(name) if rows is None else rows)
    [delivery] = [one for one in list_inbox(gate.config).deliveries if one.name == name]
    return pin(delivery, gate.config, gate.ledger)


def carry_out(gate: Gate, decision: Decision, one: PinnedDelivery, **given: Any) -> Appended:
    return commit(decision, one, gate.table, rows_in(open_location(one.url)), **given)


def decide(gate: Gate, one: PinnedDelivery, attempt: int = 0, action: str = "accept", n_rows: int = 10) -> Decision:
    return gate.ledger.decide(accepted(one, attempt, gate.table.version(), n_rows, action))


def foreign(gate: Gate, rows: pa.Table | None = None) -> None:
    """Somebody else appends."""
    write_deltalake(gate.config.table, shard("other", 1) if rows is None else rows, mode="append", schema_mode="merge")


def states(gate: Gate) -> dict[str, str]:
    """Name or digest of each delivery, and the state in which table and ledger have it."""
    found = gate.reconciled(gate.ledger, gate.table).found
    return {one.digest[:4] if one.decision is None else one.decision.name: one.state for one in found}


def test_what_is_not_accepted_is_not_appended(gate: Gate) -> None:
    one, other = pinned(gate), pinned(gate, "b/y.parquet")
    for decision, words in (
        (decide(gate, one, action="quarantine"), "found `quarantine`"),
        (accepted(one, 0, None, 10).model_copy(update={"shadow": True}), "shadow"),
        (accepted(other, 0, None, 10), "expected its own pinned copy"),
        (accepted(one, 0, None, 11), "expected the 11 rows that were decided on, found 10"),
        (accepted(one, 0, None, 9), "expected the 9 rows"),
    ):
        with pytest.raises(ContractError, match=words):
            carry_out(gate, decision, one)
    assert gate.table.version() in (None, 0)
    assert states(gate) == {}


def test_strict_and_bounded_freshness(gate: Gate) -> None:
    lay_out(gate, 0)
    one = pinned(gate)
    decision = decide(gate, one)
    foreign(gate)
    foreign(gate)
    for freshness in ("strict", 1):
        with pytest.raises(ConflictError):
            carry_out(gate, decision, one, freshness=freshness)
    assert gate.table.schema().names == ["text", "label"]  # not even columns were added
    assert carry_out(gate, decision, one, freshness=2).version == 4
    assert carry_out(gate, decision, one).was_there


def test_two_that_were_valued_at_the_same_version_enter_one_after_the_other(gate: Gate) -> None:
    """Of two near-identical batches the second is to be valued with the first in the table."""
    lay_out(gate, 0)
    first, second = pinned(gate), pinned(gate, "b/y.parquet")
    decisions = decide(gate, first), decide(gate, second)
    carry_out(gate, decisions[0], first)
    with pytest.raises(ConflictError, match="value it anew"):
        carry_out(gate, decisions[1], second)
    assert not carry_out(gate, decide(gate, second, 1), second).was_there


def test_first_rows_of_two_gates_do_not_meet(gate: Gate) -> None:
    """Neither saw a table: the second one's decision is of a table that has become another one."""
    first, second = pinned(gate), pinned(gate, "b/y.parquet")
    decisions = decide(gate, first), decide(gate, second)
    carry_out(gate, decisions[0], first)
    with pytest.raises(ConflictError, match="expected no table"):
        carry_out(gate, decisions[1], second)


def test_columns_are_added_by_policy_alone(gate: Gate) -> None:
    lay_out(gate, 0)
    wide = pinned(gate, rows=shard("wide", origin=["real"] * 10))
    with pytest.raises(SchemaError, match="found also origin"):
        carry_out(gate, decide(gate, wide), wide)
    appended = carry_out(gate, decide(gate, wide), wide, widen=True)
    assert (appended.version, appended.was_there) == (2, False)
    narrow = pinned(gate, "b/y.parquet", pa.table({"text": [f"n{at}" for at in range(10)]}))
    assert carry_out(gate, decide(gate, narrow), narrow).version == 3
    changes = gate.table.changes(0, 3)
    assert changes is not None
    assert [one.rearranges for one in changes] == [True, False, False]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"label": ["a"] * 10}, "column 'label': expected int64, as the table has it, found string"),
        ({"Text": ["a"] * 10}, "differ by more than their case"),
        ({"_mixval_delivery": ["a"] * 10}, "which the gate writes itself"),
        ({"span": pa.array([1] * 10, pa.duration("s"))}, "column 'span': expected a type that a table can hold"),
    ],
)
def test_columns_that_cannot_enter_are_named(gate: Gate, columns: dict[str, Any], words: str) -> None:
    lay_out(gate, 0)
    table = pa.table({**dict(zip(["text", "label"], shard("s").columns, strict=True)), **columns})
    one = pinned(gate, rows=table)
    with pytest.raises(SchemaError, match=words):
        carry_out(gate, decide(gate, one), one, widen=True)
    assert gate.table.version() == 0


def test_a_decision_without_rows_is_carried_out_later(gate: Gate) -> None:
    lay_out(gate, 0)
    one = pinned(gate)
    decide(gate, one)
    for name in Path(gate.config.inbox).rglob("*.parquet"):  # the delivery itself is not needed any more
        name.unlink()
    assert states(gate) == {"a/x.parquet": "committed"}
    assert states(gate) == {"a/x.parquet": "held"}
    assert gate.table.version() == 2


def test_a_decision_that_has_passed_is_to_be_taken_anew(gate: Gate) -> None:
    lay_out(gate, 0)
    one = pinned(gate)
    decide(gate, one)
    foreign(gate)
    assert states(gate) == {"a/x.parquet": "stale"}
    decide(gate, one, 1)
    assert states(gate) == {"a/x.parquet": "committed"}


def test_one_that_fails_does_not_keep_others(gate: Gate) -> None:
    lay_out(gate, 0)
    one, other = pinned(gate), pinned(gate, "b/y.parquet")
    decide(gate, one)
    decide(gate, other)
    open_location(one.url).delete()
    assert states(gate) == {"a/x.parquet": "failed", "b/y.parquet": "committed"}
    pinned(gate)  # delivered again: one that was valued before the other entered
    assert states(gate) == {"a/x.parquet": "stale", "b/y.parquet": "held"}


def test_a_restored_table_says_what_it_lost_and_takes_it_back_as_another_attempt(gate: Gate) -> None:
    lay_out(gate, 0)
    one = pinned(gate)
    carry_out(gate, decide(gate, one), one)
    DeltaTable(gate.config.table).restore(0)
    for _ in range(2):
        assert states(gate) == {"a/x.parquet": "restored"}
        assert carry_out(gate, gate.ledger.decision(one.digest, 0), one).was_there
    carry_out(gate, decide(gate, one, 1), one)
    assert states(gate) == {"a/x.parquet": "held"}
    assert sum(file.n_rows for file in gate.table.files(gate.table.version() or 0)) == 11


def test_deleted_and_copied_rows_are_said(gate: Gate) -> None:
    lay_out(gate, 0)
    one = pinned(gate)
    carry_out(gate, decide(gate, one), one)
    DeltaTable(gate.config.table).delete("label = 3")
    assert states(gate) == {"a/x.parquet": "partly"}
    rows = DeltaTable(gate.config.table).to_pyarrow_table()
    for _ in range(2):
        foreign(gate, rows)
    assert states(gate) == {"a/x.parquet": "undecided"}


def test_rows_that_nobody_decided_on_are_said(gate: Gate) -> None:
    lay_out(gate, 0)
    one = pinned(gate)
    carry_out(gate, accepted(one, 0, 0, 10), one)
    assert states(gate) == {one.digest[:4]: "undecided"}
    decide(gate, one, action="reject")
    assert states(gate) == {"a/x.parquet": "undecided"}


def test_a_policy_that_came_too_late_does_not_undo_what_is_in(gate: Gate) -> None:
    """One gate appends while another finds that the table has moved, and decides anew with the delivery's own rows in it."""
    lay_out(gate, 0)
    one = pinned(gate)
    first = decide(gate, one)
    carry_out(gate, first, one)
    decide(gate, one, 1, action="quarantine")
    for _ in range(2):
        assert states(gate) == {"a/x.parquet": "held"}
    stands = gate.ledger.standing(one.digest)
    assert stands is not None
    assert (stands.attempt, stands.action, stands.measured) == (2, "accept", first.measured)
    gate.ledger.decide(accepted(one, 3, 1, 10, "reject").model_copy(update={"decided_by": "person"}))
    assert states(gate) == {"a/x.parquet": "undecided"}


def test_a_damaged_decision_is_told_and_the_others_are_reconciled(gate: Gate) -> None:
    lay_out(gate, 0)
    one, other = pinned(gate), pinned(gate, "b/y.parquet")
    for each in (one, other):
        decide(gate, each)
    (Path(gate.config.state) / "decisions" / one.digest / "0.json").write_text("{}")
    found = gate.reconciled(gate.ledger, gate.table)
    assert [(found.digest, found.state) for found in found.found] == [(other.digest, "committed")]
    assert len(found.damaged) == 1
    with pytest.raises(DamagedRecordError):
        gate.ledger.standing(one.digest)


def test_what_was_decided_for_one_table_does_not_enter_another(gate: Gate, tmp_path: Path) -> None:
    lay_out(gate, 0)
    one = pinned(gate)
    carry_out(gate, decide(gate, one), one)
    assert states(gate) == {"a/x.parquet": "held"}
    (tmp_path / "table").rename(tmp_path / "moved")
    with pytest.raises(StorageError, match="found no table"):
        states(gate)
    lay_out(gate, 0)
    with pytest.raises(StorageError, match="found table"):
        states(gate)
    moved = Gate(gate.config.model_copy(update={"table": str(tmp_path / "moved")}))
    assert states(moved) == {"a/x.parquet": "held"}


def test_a_find_is_told_in_words(gate: Gate) -> None:
    lay_out(gate, 0)
    decide(gate, pinned(gate))
    found: list[Found] = gate.reconciled(gate.ledger, gate.table).of("committed")
    assert [one.sentence for one in found] == ["'a/x.parquet': 10 rows that were accepted before are in version 2 now."]
    assert issubclass(ConflictError, MixvalError)
