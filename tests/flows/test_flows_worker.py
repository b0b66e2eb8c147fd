"""A registered deployment, run for real: a process worker takes a run from the server and starts it in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL

from mixval_deployments.register import build_deployment
from mixval_flows.registry import FLOWS
from tests.flows.conftest import Ran
from tests.gate_world import GateWorld
from tests.telemetry.observed_events import metrics_in

POOL = "worked"


def test_a_worker_runs_what_was_registered(ran: Ran, tmp_path: Path) -> None:
    """The valuation finds its latest run up to date, and the gate an empty inbox: what is tested is the way there."""
    world = GateWorld(tmp_path)
    deployments = [
        build_deployment(FLOWS["valuation"], ran.config, "nightly", POOL),
        build_deployment(FLOWS["ingestion"], world.config(), "gate", POOL),
    ]
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        runs = [client.create_flow_run_from_deployment(one.apply()) for one in deployments]
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--run-once"]
        environment = os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        states = [client.read_flow_run(one.id).state for one in runs]
    assert [(state.name, state.message) for state in states if state is not None] == [("Completed", None)] * 2, done.stdout
    assert metrics_in(ran.world.output / "telemetry" / "valuation.prom")["mixval_run_up_to_date"] == {(): 1.0}
    assert metrics_in(tmp_path / "state" / "telemetry" / "ingestion.prom")["mixval_run_success"] == {(): 1.0}
