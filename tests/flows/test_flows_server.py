"""The temporary API: it answers while it runs, and says why where it cannot."""

from __future__ import annotations

import subprocess
import sys

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
