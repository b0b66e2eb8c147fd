"""The queries of the documentation, run as they stand there over a table of decisions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.gate.scene import Gate, accepted, config_at, deliver, shard
from mixval.lake.decision_table import decision_table, record_decisions
from mixval.lake.inbox import list_inbox
from mixval.lake.staging import pin

PAGE = Path("docs/ingestion.md")
BLOCKS = [one for one in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S) if "spark" not in one]


@pytest.mark.queries
@pytest.mark.parametrize("code", BLOCKS)
def test_a_query_finds_what_was_decided(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = Gate(config_at(str(tmp_path), state=str(tmp_path / "gate-state")))
    deliver(gate.config, "amber/may.parquet", shard("may"))
    [delivery] = list_inbox(gate.config).deliveries
    gate.ledger.decide(accepted(pin(delivery, gate.config, gate.ledger), 0, None, 10))
    assert record_decisions(gate.ledger, decision_table(gate.config)) == 1
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(PAGE), "exec"), {})  # our own documentation
    assert "accept" in capsys.readouterr().out


def test_there_are_queries_for_polars_and_for_duckdb() -> None:
    assert [("polars" in one, "duckdb" in one) for one in BLOCKS] == [(True, False), (False, True)]
