"""The gate's driver beside another one, and killed: a delivery is valued given what the other let in, and enters once."""

from __future__ import annotations

import logging
import signal
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.gate.scene import Stop, start
from mixval.config.ingestion import IngestionConfig
from mixval.lake.delta import open_table
from mixval.lake.steps import LOG
from mixval.stages.account import Account
from mixval.stages.in_process import InProcess
from mixval.stages.ingesting import run_gate
from tests.gate_world import GateWorld, rows, settling_of


def held(config: IngestionConfig) -> list[str]:
    table = open_table(config.table)
    return sorted(text for batch in table.read(table.version() or 0, ["text"]) for text in batch.column(0).to_pylist())


def test_of_two_batches_alike_at_two_gates_at_once_one_is_valuable(tmp_path: Path) -> None:
    """Both are worth it given a table that holds neither. The second gate lets its own in while the first decides."""
    world = GateWorld(tmp_path)
    config = world.config()
    batch = rows(80, start=1_000)
    world.deliver("ash/a.parquet", batch)
    world.deliver("birch/same.jsonl", batch)  # other bytes, the same rows
    first, second = settling_of(config, "ash/a.parquet"), [settling_of(config, "birch/same.jsonl")]

    def clock() -> datetime:
        if second:
            other = second.pop()
            assert other.settle(other.valued.deliveries[0]).action == "accept"
        return datetime.now(UTC)

    first.clock = clock
    outcome = first.settle(first.valued.deliveries[0])
    assert (outcome.action, outcome.decision.rule, outcome.decision.attempt) == ("quarantine", "held already", 1)
    assert first.ledger.decision(outcome.decision.digest, 0).action == "accept"
    assert held(config) == sorted(str(row["text"]) for row in batch)


def killed_when_decided(config: IngestionConfig) -> None:
    LOG.setLevel(logging.DEBUG)
    LOG.addHandler(Stop("decided"))
    run_gate(config, InProcess(), Account())


def test_a_driver_that_is_killed_between_decision_and_rows_is_carried_on(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    config = world.config()
    good = rows(80, start=1_000)
    world.deliver("ash/good.parquet", good)
    process = start(killed_when_decided, config)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert open_table(config.table).version() is None
    for _ in range(2):
        run = run_gate(config, InProcess(), Account())
        [outcome] = run.outcomes.values()
        assert (outcome.decision.action, outcome.decision.attempt) == ("accept", 0)
    assert held(config) == sorted(str(row["text"]) for row in good)
