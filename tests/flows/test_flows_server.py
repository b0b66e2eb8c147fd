"""The temporary API: it answers while it runs, and says why where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

import mixval_flows.server
from mixval.errors import MixvalError
from mixval_flows.api import temporary_environment
from mixval_flows.server import TemporaryServer

ANSWERS = """#!{python}
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words):
        pass

HTTPServer((sys.argv[-2], int(sys.argv[-1])), Healthy).serve_forever()
"""
FALLS_SILENT = """#!{python}
import sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class Silent(BaseHTTPRequestHandler):
    answered = 0
    def do_GET(self):
        Silent.answered += 1
        if Silent.answered > 1:
            threading.Event().wait()
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words):
        pass

HTTPServer((sys.argv[-2], int(sys.argv[-1])), Silent).serve_forever()
"""
ENDS = """#!{python}
import sys
sys.exit("no table: flow_run")
"""


def run_instead(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This program in place of the interpreter that the server runs in."""
    file = tmp_path / "program"
    file.write_text(script.format(python=sys.executable))
    file.chmod(0o755)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(file))


def kill_as_soon_as_it_answers(server: TemporaryServer, died: list[int]) -> int:
    """The process that was killed: one that is not in `died`."""
    port = server.api_url.split(":")[2].removesuffix("/api")
    while True:
        for child in psutil.Process().children():
            with suppress(psutil.Error, httpx.HTTPError):
                if (
                    child.pid not in died
                    and port in child.cmdline()
                    and httpx.get(f"{server.api_url}/health").status_code == 200
                ):
                    child.kill()
                    return child.pid
        time.sleep(0.01)


def test_a_server_that_ends_is_told_with_its_exit_code_and_its_last_lines(tmp_path, monkeypatch) -> None:
    run_instead(ENDS, tmp_path, monkeypatch)
    expected = (
        r"found its process ended with exit code 1\.\nIts last lines:\n  no table: flow_run\nStart one with `prefect server"
    )
    with pytest.raises(MixvalError, match=expected):
        TemporaryServer().start(timeout=300)


def test_a_server_that_dies_is_replaced_where_it_was_and_given_up_at_last(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(mixval_flows.server, "REPLACEMENTS", 1)
    run_instead(ANSWERS, tmp_path, monkeypatch)
    server = TemporaryServer()
    server.start(timeout=300)
    died, url = [], server.api_url
    for _ in range(2):
        died.append(kill_as_soon_as_it_answers(server, died))
    while server.is_usable:
        time.sleep(0.01)
    assert len(set(died)) == 2
    assert server.api_url == url
    assert "found 2 that ended, the last with exit code -9" in str(server.error)
    server.stop()


def test_a_server_that_lives_and_does_not_answer_is_replaced_and_named(tmp_path, monkeypatch) -> None:
    limits = {"REPLACEMENTS": 1, "LOOK_SECONDS": 0.01, "ANSWER_SECONDS": 0.05, "SILENT_SECONDS": 0.0}
    for name, number in limits.items():
        monkeypatch.setattr(mixval_flows.server, name, number)
    run_instead(FALLS_SILENT, tmp_path, monkeypatch)
    server = TemporaryServer()
    server.start(timeout=300)
    while server.is_usable:
        time.sleep(0.01)
    assert "found 2 that ended, the last by us, as it ran and did not answer for 0 s" in str(server.error)
    server.stop()


def test_the_flow_process_does_not_import_the_server() -> None:
    imported = "mixval_flows.api, mixval_flows.valuation, mixval_flows.runner, sys"
    look = f"import {imported}; print('prefect.server.api.server' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_two_first_starts_at_once_on_a_fresh_machine_both_work(tmp_path: Path) -> None:
    """Each answers until it is stopped, which may be asked for twice."""
    start = (
        "import httpx\n"
        "from mixval_flows.server import TemporaryServer\n"
        "server = TemporaryServer()\n"
        "server.start(timeout=300)\n"
        "print(httpx.get(f'{server.api_url}/health').json())\n"
        "server.stop()\n"
        "server.stop()\n"
        "try:\n"
        "    httpx.get(f'{server.api_url}/health')\n"
        "except httpx.ConnectError:\n"
        "    print('stopped')"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(tmp_path / "home")} | temporary_environment()  # as a run starts it
    both = [
        subprocess.Popen(
            [sys.executable, "-c", start], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [one.communicate() for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert [out for out, _ in said] == ["True\nstopped\n"] * 2
    assert len(list((tmp_path / "home").glob(".mixval-migrated-*"))) == 1
