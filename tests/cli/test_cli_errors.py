"""Errors on the command line: words for people, a document for machines, and an exit code that means something."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import invoke, write
from tests.worlds import World, planted, rows

IN_THREADS = {
    "cluster": "distributed.LocalCluster",
    "cluster_options": {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": "127.0.0.1:0"},
}
"""A cluster without processes, which take seconds to start."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return planted(tmp_path, "language-modelling")


def synthetic_target(world: World) -> dict[str, Any]:
    world.hold_out(rows(world.task, 30, start=0, origin="synthetic"))
    return {}


def lost_target(world: World) -> dict[str, Any]:
    return {"source": {"target": "nowhere"}}


def broken_model(world: World) -> dict[str, Any]:
    (world.root / "model").mkdir()
    (world.root / "model" / "config.json").write_text("{")
    (world.root / "model" / "model.safetensors").write_bytes(b"")
    return {"backbone": {"random_init": None, "path": str(world.root / "model")}}


def no_memory(world: World) -> dict[str, Any]:
    return {"runtime": {"worker_memory_bytes": 2**28}}


def unknown_key(world: World) -> dict[str, Any]:
    return {"gates": {}}


@pytest.mark.parametrize(
    ("spoil", "code", "error", "words"),
    [
        (unknown_key, 2, "ConfigError", "Did you mean `gate`?"),
        (synthetic_target, 4, "TargetError", "found 30 synthetic"),
        (lost_target, 5, "StorageError", "nowhere"),
        (broken_model, 6, "ModelError", "config.json"),
        (no_memory, 8, "CapacityError", "do not fit a worker"),
    ],
)
def test_errors_have_words_and_exit_codes(
    world: World, spoil: Callable[[World], dict[str, Any]], code: int, error: str, words: str
) -> None:
    file = write(world, **spoil(world))
    for command in ("plan", "value"):
        said = invoke(command, file)
        assert said.exit_code == code, said.output
        assert f"{error}: " in said.stderr
        assert words in said.stderr
        assert said.stdout == ""
        told = invoke(command, file, "--json")
        assert told.exit_code == code
        assert json.loads(told.stdout) | {"message": ""} == {"error": error, "message": "", "exit_code": code}
        assert not (world.output / "latest.json").exists()


def test_nobody_admitted_is_exit_code_3_with_every_reason(prefect_api: None, world: World) -> None:
    told = invoke("value", write(world, gate={"min_rows": 1_000}, runtime=IN_THREADS), "--json")
    assert told.exit_code == 3, told.output
    document = json.loads(told.stdout)
    assert document["error"] == "NobodyAdmittedError"
    for name, count in (("near", 60), ("mixed", 36), ("far", 12)):
        assert f"'{name}' rejected" in document["message"]
        assert f"found {count}" in document["message"]
    assert not (world.output / "latest.json").exists()


def test_a_file_that_is_not_there() -> None:
    said = invoke("value", "no-such-file.yaml")
    assert said.exit_code == 2
    assert "Write one with `mixval init DIR`" in said.stderr


@pytest.mark.parametrize("arguments", [("value",), ("valeu",), ("value", "x.yaml", "--jsn")])
def test_misuse_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments).exit_code == 2
