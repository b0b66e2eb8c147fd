"""The demo's last part ends as it says: a good delivery, one held already, wrong labels, one cut off, and one too small."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.gate import EXPECTED, deliver_first, deliver_five
from mixval.config.ingestion import IngestionConfig
from mixval.config.load import load_config_as
from mixval.stages.account import Account
from mixval.stages.gate_publishing import publish_gate
from mixval.stages.in_process import InProcess
from mixval.stages.ingesting import run_gate

FILE = Path(__file__).parents[2] / "examples" / "reviews" / "gate.yaml"


@pytest.mark.slow
def test_the_five_deliveries_are_decided_as_the_demo_says(tmp_path: Path) -> None:
    places = {name: str(tmp_path / name) for name in ("inbox", "table", "state")}
    config = load_config_as(IngestionConfig, FILE).model_copy(update=places)
    deliver_first(config)
    first = publish_gate(run_gate(config, InProcess(), Account()))
    assert (first.exit_code, first.n_appended) == (0, 400)
    deliver_five(config)
    second = publish_gate(run_gate(config, InProcess(), Account()))
    assert {one.decision.name: one.action for one in second.deliveries} == EXPECTED
    assert (second.exit_code, second.n_appended) == (3, 240)
