"""The temporary API: it answers while it runs, and says why where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mixval.errors import MixvalError
from mixval_flows.server import TemporaryServer


def test_it_answers_until_it_is_stopped(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", f"sqlite+aiosqlite:///{tmp_path}/prefect.db")
    server = TemporaryServer()
    server.start(timeout=300)
    try:
        assert httpx.get(f"{server.api_url}/health").json() is True
    finally:
        server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.api_url}/health")
    server.stop()


def test_a_server_that_ends_is_told_with_its_exit_code(monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(MixvalError, match=r"found its process ended with exit code 1\. Start one with `prefect server start`"):
        TemporaryServer().start(timeout=300)


def test_the_flow_process_does_not_import_the_server() -> None:
    imported = "mixval_flows.api, mixval_flows.valuation, mixval_flows.runner, sys"
    look = f"import {imported}; print('prefect.server.api.server' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_two_first_starts_at_once_on_a_fresh_machine_both_work(tmp_path: Path) -> None:
    start = (
        "from mixval_flows.server import TemporaryServer\n"
        "server = TemporaryServer()\n"
        "server.start(timeout=300)\n"
        "server.stop()\n"
        "print('answered')"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(tmp_path / "home")}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", start], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [one.communicate() for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert [out for out, _ in said] == ["answered\n"] * 2
    assert len(list((tmp_path / "home").glob(".mixval-migrated-*"))) == 1
