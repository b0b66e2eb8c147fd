"""`mixval gate`, `mixval quarantine` and `mixval init --gate`: what they print, their exit codes, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
import yaml
from jsonschema import validate

from mixval.config.ingestion import IngestionConfig
from mixval.config.load import load_config_as
from mixval.config.policy import PolicyConfig
from mixval.config.tasks import Task
from mixval.stages.account import Account
from mixval.stages.gate_publishing import publish_gate
from mixval.stages.in_process import InProcess
from mixval.stages.ingesting import run_gate
from tests.cli.command_line import invoke
from tests.gate_world import GateWorld, planted, rows


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a gate that has decided the planted deliveries."""
    world = planted(tmp_path_factory.mktemp("gate"))
    publish_gate(run_gate(world.config(), InProcess(), Account()))
    return written(world)


def written(world: GateWorld) -> Path:
    """The world's configuration as a file, with relative paths."""
    file = world.root / "gate.yaml"
    file.write_text(yaml.safe_dump(world.as_dict() | {name: name for name in ("inbox", "table", "target", "state")}))
    return file


@pytest.mark.parametrize("task", get_args(Task))
def test_init_writes_a_gate_that_loads(task: Task, tmp_path: Path) -> None:
    said = invoke("init", tmp_path, "--task", task, "--offline", "--gate")
    assert (said.exit_code, f"mixval gate {tmp_path / 'gate.yaml'}" in said.stdout) == (0, True)
    file = tmp_path / "gate.yaml"
    config = load_config_as(IngestionConfig, file)
    assert (config.task, config.inbox, config.state) == (task, str(tmp_path / "inbox"), str(tmp_path / "gate-state"))
    assert config.policy == PolicyConfig()  # it spells the defaults out
    validate(yaml.safe_load(file.read_text()), json.loads((tmp_path / "gate.schema.json").read_text()))
    assert invoke("init", tmp_path, "--gate").exit_code == 2  # never over a file


def test_what_init_writes_runs(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    invoke("init", tmp_path, "--task", "text-classification", "--offline", "--gate")
    world.deliver("ash/good.parquet", rows(80, start=1_000))
    config = load_config_as(IngestionConfig, tmp_path / "gate.yaml")
    summary = publish_gate(run_gate(config, InProcess(), Account()))
    assert (summary.exit_code, summary.n_appended) == (0, 80)


def test_a_run_with_nothing_to_value_says_what_stands(ran: Path) -> None:
    said = invoke("gate", ran)
    assert said.exit_code == 3
    assert "5 deliveries: 1 accepted, 2 quarantined, 2 rejected; 0 rows entered the table." in said.stdout
    for name in ("ash/good.parquet", "beech/copy.jsonl", "cedar/wrong.parquet"):
        assert name in said.stdout
    document = json.loads(invoke("gate", ran, "--json").stdout)
    assert [one["decision"]["action"] for one in document["deliveries"]].count("quarantine") == 2
    assert document["run_id"] is None


def test_an_empty_inbox_is_no_failure(tmp_path: Path) -> None:
    said = invoke("gate", written(GateWorld(tmp_path)))
    assert (said.exit_code, "Nothing lies in the inbox." in said.stdout) == (0, True)


def test_explain_says_which_rule_decided_with_its_numbers(ran: Path) -> None:
    said = invoke("gate", ran, "--explain", "cedar/wrong.parquet")
    assert said.exit_code == 0
    for words in ("reject, by the policy", "rule: harmful", "the high end is below 0 nats", "marginal-value: −0.6", "rows: 80"):
        assert words in said.stdout
    digest = json.loads(invoke("gate", ran, "--explain", "cedar/wrong.parquet", "--json").stdout)["digest"]
    assert invoke("gate", ran, "--explain", digest[:12]).stdout == said.stdout
    assert invoke("gate", ran, "--explain", "nobody.parquet").exit_code == 2


def test_quarantine_lists_what_waits_and_records_what_is_said(ran: Path) -> None:
    assert [line.split(" ")[0] for line in invoke("quarantine", "list", ran).stdout.splitlines()[::2]] == [
        "beech/copy.jsonl",
        "fir/few.parquet",
    ]
    assert invoke("quarantine", "discard", ran, "fir/few.parquet").exit_code == 2  # without a reason
    said = invoke("quarantine", "discard", ran, "fir/few.parquet", "--why", "too few to bother")
    assert (said.exit_code, "too few to bother" in said.stdout) == (0, True)
    assert "too few to bother" in invoke("gate", ran, "--explain", "fir/few.parquet").stdout
    assert len(json.loads(invoke("quarantine", "list", ran, "--json").stdout)) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"policy": {"rules": [{"name": "a", "quantity": "worth", "above": 0, "then": "accept"}]}}, "policy.rules.0.quantity"),
        ({"policy": {"rules": [{"name": "a", "quantity": "rows", "then": "accept"}]}}, "exactly one of `above` and `below`"),
        ({"policy": {"rules": [{"name": "a", "quantity": "rows", "above": 1, "then": "maybe"}]}}, "policy.rules.0.then"),
        ({"inbox": "table/inbox"}, "side by side"),
        ({"table": "inbox/table"}, "side by side"),
        ({"origin": "folder"}, "each delivery is one file"),
        ({"valuation": {"ntk": {"method": "exact"}}}, "ntk.method: sketched"),
    ],
)
def test_a_gate_that_cannot_be_run_as_written_is_refused(change: dict[str, object], said: str, tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    file = tmp_path / "gate.yaml"
    given = world.as_dict() | {name: name for name in ("inbox", "table", "target", "state")} | change
    file.write_text(yaml.safe_dump(given))
    found = invoke("gate", file)
    assert (found.exit_code, said in found.stderr) == (2, True), found.stderr


def test_history_is_of_decisions_and_says_so_of_any_other_table(ran: Path, tmp_path: Path) -> None:
    page, state = tmp_path / "history.html", ran.parent / "state"
    for source in (ran, state / "tables" / "decisions"):
        assert invoke("history", source, "--file", page).exit_code == 0
        assert "ash/good.parquet" in page.read_text()
    entered, nothing = "the table that a gate's rows enter", "found no table"
    for source, found, code in ((ran.parent / "table", entered, 4), (tmp_path / "none", nothing, 2)):
        said = invoke("history", source, "--file", tmp_path / "other.html")
        assert (said.exit_code, found in said.stderr, "STATE/tables/decisions" in said.stderr) == (code, True, True)
    assert not (tmp_path / "other.html").exists()
