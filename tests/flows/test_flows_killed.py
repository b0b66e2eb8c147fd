"""Workers that die, storage that hesitates, and a run that is stopped half-way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL

from mixval.config.valuation import ValuationConfig
from mixval.contracts.run import RunSummary
from mixval.errors import StorageError
from mixval_tasks.base import house_task
from tests.flows import poison
from tests.worlds import World, planted

Value = Callable[[ValuationConfig], RunSummary]


@house_task("fails {kind}")
def hesitant(marker: Path, kind: str) -> str:
    return poison.fail_once(marker, kind)


@flow(name="hesitant")
def hesitant_stage(folder: Path) -> dict[str, State[Any]]:
    futures = {kind: hesitant.submit(folder / kind, kind) for kind in poison.ERRORS}
    for future in futures.values():
        future.wait()
    return {kind: future.state for kind, future in futures.items()}


def test_storage_errors_are_tried_again_and_others_are_not(prefect_api: None, tmp_path: Path) -> None:
    states = hesitant_stage(tmp_path)
    assert {kind: state.is_completed() for kind, state in states.items()} == {
        "StorageError": True,
        "ShardError": False,
        "ConflictError": False,
    }


def test_a_cluster_that_cannot_be_had_fails_the_run_itself(
    prefect_api: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixval_flows import runner
    from mixval_flows.valuation import valuation

    monkeypatch.setattr(runner, "CONNECT_TIMEOUT_SECONDS", 1)
    world = planted(tmp_path, "language-modelling")
    with pytest.raises(StorageError, match=r"runtime\.cluster: expected a Dask scheduler at tcp://127\.0\.0\.1:9"):
        valuation(world.config(runtime={"cluster": "tcp://127.0.0.1:9"}))
    assert not (world.output / "latest.json").exists()


def start(world: World) -> subprocess.Popen[str]:
    """The command line on this world, in a process of its own that uses the tests' Prefect API."""
    file = world.root / "mixval.yaml"
    file.write_text(yaml.safe_dump(world.as_dict(runtime={"workers": 1})))
    environment = os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
    command = [Path(sys.executable).with_name("mixval"), "value", str(file)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for_record(world: World, kind: str, process: subprocess.Popen[str]) -> dict[Path, int]:
    """The records of this kind, as soon as there is one. The end of the process ends the wait; no clock does."""
    while process.poll() is None:
        if found := list((world.output / "artifacts" / kind).glob("*/*/record.json")):
            return {path: path.stat().st_mtime_ns for path in found}
        time.sleep(0.01)
    said = process.stderr.read() if process.stderr else ""
    raise AssertionError(f"no {kind} was committed; the run ended with {process.poll()}: {said}")


@pytest.mark.slow
def test_a_run_that_is_stopped_says_so_leaves_nothing_running_and_goes_on(
    prefect_api: None, tmp_path: Path, value: Value
) -> None:
    world = planted(tmp_path, "language-modelling")
    with start(world) as process:
        kept = wait_for_record(world, "gram", process)
        started = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGTERM)
        said = process.stderr.read() if process.stderr else ""
        code = process.wait()
    assert code == 143, said
    assert "run the same command again to continue" in said
    _, left = psutil.wait_procs(started, timeout=30)
    assert not left
    assert not (world.output / "latest.json").exists()

    summary = value(world.config())
    assert not summary.up_to_date
    assert summary.n_ranked == 3
    assert summary.reused["gate"] == 3
    assert summary.reused["gram"] >= 1
    assert summary.recomputed["terms"] >= 1
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
