"""`mixval init`: what it writes for each task, with and without the hub, and what a run says where the hub does not answer."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import get_args

import pytest
import yaml
from jsonschema import validate

from mixval.config.ingestion import IngestionConfig
from mixval.config.load import load_config, load_config_as
from mixval.config.overrides import Override
from mixval.config.runtime import RuntimeConfig
from mixval.config.tasks import Task, spec_of
from tests.cli.command_line import invoke, write
from tests.worlds import planted


@pytest.mark.parametrize("task", get_args(Task))
def test_init_writes_a_configuration_that_loads(task: Task, tmp_path: Path) -> None:
    said = invoke("init", tmp_path / "new", "--task", task)
    assert said.exit_code == 0
    assert "mixval plan" in said.stdout
    file = tmp_path / "new" / "mixval.yaml"
    config = load_config(file)
    assert config.task == task
    editors, _, name = file.read_text().splitlines()[0].partition("$schema=")
    assert editors == "# yaml-language-server: "
    validate(yaml.safe_load(file.read_text()), json.loads((file.parent / name).read_text()))
    assert config.source.contributors == str(tmp_path / "new" / "contributors")
    shown = [yaml.safe_load(line.strip(" #")) for line in file.read_text().splitlines() if line.startswith("  # columns:")]
    assert {name for one in shown for name in one["columns"]} <= {column.name for column in spec_of(task).columns} | {
        "messages"
    }
    for one in shown:
        assert load_config(file, [Override(("source", "columns"), one["columns"])]).source.columns == one["columns"]


@pytest.mark.parametrize("task", get_args(Task))
def test_init_names_a_pretrained_model_at_its_commit_and_one_without_the_hub(task: Task, tmp_path: Path) -> None:
    assert "from the Hugging Face hub" in invoke("init", tmp_path / "hub", "--task", task, "--hub").stdout
    hub = load_config(tmp_path / "hub" / "mixval.yaml").backbone
    assert re.fullmatch("[0-9a-f]{40}", hub.revision or "")
    assert invoke("init", tmp_path / "off", "--task", task, "--offline").exit_code == 0
    offline = load_config(tmp_path / "off" / "mixval.yaml").backbone
    assert offline.path is None
    assert offline.random_init is not None
    for written in ("hub", "off"):  # each file has the other backbone's lines, commented out
        text = (tmp_path / written / "mixval.yaml").read_text()
        assert str(hub.path) in text
        assert f"architecture: {offline.random_init.architecture}" in text
    # Tests have no hub and an empty cache: what is written by default works without.
    said = invoke("init", tmp_path / "new", "--task", task)
    assert "HF_HUB_OFFLINE is set, so its backbone is made from a seed" in said.stdout
    assert f"Asking the Hugging Face hub for {hub.path}" in said.stderr
    assert load_config(tmp_path / "new" / "mixval.yaml").backbone == offline


@pytest.mark.parametrize("task", get_args(Task))
def test_a_pretrained_backbone_comes_with_the_rows_of_a_pass_that_memory_allows(task: Task, tmp_path: Path) -> None:
    wanted = spec_of(task).example_backbone.batch_rows
    for kind, load in {"mixval.yaml": load_config, "gate.yaml": partial(load_config_as, IngestionConfig)}.items():
        options = ["--gate"] if kind == "gate.yaml" else []
        assert invoke("init", tmp_path / "hub", "--task", task, "--hub", *options).exit_code == 0
        assert load(tmp_path / "hub" / kind).runtime.batch_rows == wanted
        assert invoke("init", tmp_path / "off", "--task", task, "--offline", *options).exit_code == 0
        assert load(tmp_path / "off" / kind).runtime.batch_rows == RuntimeConfig().batch_rows
        is_told = f"batch_rows: {wanted}` under `runtime`" in (tmp_path / "off" / kind).read_text()
        assert is_told == (wanted != RuntimeConfig().batch_rows)


def test_a_hub_that_does_not_answer_is_an_error_that_says_what_to_write(tmp_path: Path) -> None:
    missing = {"path": "mixval-tests/no-such-model", "revision": "0" * 40, "random_init": None}
    said = invoke("plan", write(planted(tmp_path, "language-modelling"), backbone=missing))
    assert said.exit_code == 6
    assert "neither it nor the local cache did" in said.stderr
    assert "`random_init: {architecture: ngrams}`" in said.stderr


def test_init_never_writes_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "mixval.yaml").write_text("mine")
    said = invoke("init", tmp_path)
    assert said.exit_code == 2
    assert "the file exists already" in said.stderr
    assert (tmp_path / "mixval.yaml").read_text() == "mine"
    assert invoke("init", tmp_path / "other", "--task", "imagery").exit_code == 2
