"""Every row once and every decision once, whoever runs beside and whatever is killed: real processes over a real table."""

from __future__ import annotations

import signal
from typing import get_args

import pytest

from benchmarks.gate.scene import Gate, count, lay_out, race, run_until, start
from mixval.lake.decision_table import decision_table, read_decisions, record_decisions
from mixval.lake.steps import Step

STEPS = [step for step in get_args(Step) if step != "created"]
"""In a table that somebody else made, that one is not passed."""


def test_gates_that_race_bring_every_row_in_once(gate: Gate) -> None:
    texts = lay_out(gate, 4)
    assert race(gate, 3) == [0, 0, 0]
    found = count(gate, texts)
    assert (found.n_rows, found.lost, found.doubled, found.decisions_lost) == (41, 0, 0, 0)
    assert {one.state for one in gate.reconciled(gate.ledger, gate.table).found} == {"held"}


def test_gates_that_race_for_no_table_make_one(gate: Gate) -> None:
    texts = lay_out(gate, 2, has_table=False)
    assert race(gate, 3) == [0, 0, 0]
    found = count(gate, texts)
    assert (found.n_rows, found.lost, found.doubled, found.decisions_lost) == (20, 0, 0, 0)


def test_a_gate_that_is_killed_at_every_step_loses_and_doubles_nothing(gate: Gate) -> None:
    """One gate after the other ends at one step after the other, over the same inbox; the last one goes through."""
    texts = lay_out(gate, len(STEPS))
    for step in STEPS:
        killed = start(run_until, gate, step)
        killed.join()
        assert killed.exitcode == -signal.SIGKILL, step
        found = count(gate, texts)
        assert found.doubled == 0, step
    gate.run()
    found = count(gate, texts)
    assert (found.lost, found.doubled, found.decisions_lost) == (0, 0, 0)
    assert found.n_rows == len(texts)
    assert {one.state for one in gate.reconciled(gate.ledger, gate.table).found} == {"held"}


def record(gate: Gate) -> None:
    record_decisions(gate.ledger, decision_table(gate.config))


def test_gates_that_end_at_once_add_each_decision_to_the_table_once(gate: Gate) -> None:
    lay_out(gate, 3)
    gate.run()
    processes = [start(record, gate) for _ in range(3)]
    for one in processes:
        one.join()
    assert [one.exitcode for one in processes] == [0, 0, 0]
    held = read_decisions(decision_table(gate.config))["digest"].to_pylist()
    assert sorted(held) == sorted(one.digest for one in gate.ledger.decisions())


@pytest.mark.parametrize("step", ["created", "committing", "committed"])
def test_a_gate_that_is_killed_around_the_first_rows(gate: Gate, step: Step) -> None:
    texts = lay_out(gate, 1, has_table=False)
    killed = start(run_until, gate, step)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    gate.run()
    found = count(gate, texts)
    assert (found.n_rows, found.lost, found.doubled, found.decisions_lost) == (10, 0, 0, 0)
