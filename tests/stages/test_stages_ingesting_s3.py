"""The gate with everything in a bucket: inbox, target, table and state on an S3 server over the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixval.lake.decision_table import decision_table, read_decisions
from mixval.lake.delta import open_table
from mixval.stages.account import Account
from mixval.stages.gate_publishing import publish_gate
from mixval.stages.in_process import InProcess
from mixval.stages.ingesting import GateRun, idle_run, run_gate
from mixval.storage.root import open_location
from tests.gate_world import planted, rows
from tests.s3_server import S3Bucket

pytestmark = pytest.mark.s3


def test_a_gate_takes_from_appends_to_and_reports_to_a_bucket(
    s3_bucket: S3Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, setting in s3_bucket.environment.items():
        monkeypatch.setenv(name, setting)
    world = planted(tmp_path)
    root = open_location(f"{s3_bucket.url}/gated")
    for file in sorted(file for file in tmp_path.rglob("*") if file.is_file()):
        root.child(*file.relative_to(tmp_path).parts).write_bytes(file.read_bytes())
    places = {name: f"{root.url}/{name}" for name in ("inbox", "table", "target", "state")}
    config = world.config(**places, storage={"endpoint_url": s3_bucket.endpoint})

    summary = publish_gate(run_gate(config, InProcess(), Account()))

    assert {one.decision.name: one.action for one in summary.deliveries} == {
        "ash/good.parquet": "accept",
        "beech/copy.jsonl": "quarantine",
        "cedar/wrong.parquet": "reject",
        "elm/cut.parquet": "reject",
        "fir/few.parquet": "quarantine",
    }
    table = open_table(config.table, config.storage)
    texts = [text for batch in table.read(int(table.version() or 0), ["text"]) for text in batch.column(0).to_pylist()]
    assert sorted(texts) == sorted(row["text"] for row in rows(80, start=1_000))
    assert b"harmful" in open_location(f"{summary.url}/report.html", config.storage).read_bytes()
    assert read_decisions(decision_table(config)).num_rows == 5
    assert isinstance(idle_run(config), GateRun)
