"""A Prefect API as a process of its own, for the duration of a session.

`prefect.server` could start one, but importing it costs the flow's process 1.8 s of a core.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

from prefect.settings import get_current_settings

from mixval.errors import MixvalError

HOST = "127.0.0.1"
POLL_SECONDS = 0.1
STOP_TIMEOUT_SECONDS = 5
EPHEMERAL = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""As Prefect marks a server that it starts for a flow run."""


class TemporaryServer:
    """Started by `start`, stopped by `stop` or at exit."""

    def __init__(self) -> None:
        """Nothing starts yet."""
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def api_url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self._port}/api"

    def start(self, timeout: float) -> None:
        """Start, and wait until it answers. Raises MixvalError when it ends, or does not answer in time (seconds)."""
        with _reserved_port() as self._port:
            self._start(timeout)

    def _start(self, timeout: float) -> None:
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--host", HOST]
        command += ["--port", str(self._port), "--log-level", "error", "--lifespan", "on"]
        self._process = subprocess.Popen(command, env=os.environ | EPHEMERAL | settings)  # noqa: S603  our own interpreter
        atexit.register(self.stop)
        deadline = time.monotonic() + timeout
        while not self._answers():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                self.stop()
                found = "no answer" if code is None else f"its process ended with exit code {code}"
                raise MixvalError(
                    f"a temporary Prefect server was expected at {self.api_url} within {timeout:g} s, found {found}. "
                    "Start one with `prefect server start` and set PREFECT_API_URL."
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop it, if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.stop)
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        connection = HTTPConnection(HOST, self._port, timeout=STOP_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):  # not listening yet
            return False
        finally:
            connection.close()


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that is reserved within the block; the server, which binds with SO_REUSEADDR, may still listen on it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield int(holder.getsockname()[1])
