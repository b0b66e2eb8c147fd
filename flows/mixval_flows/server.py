"""A Prefect API as a process of its own, for the duration of a session.

`prefect.server` could start one, but importing it costs the flow's process 1.8 s of a core.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import prefect
from filelock import FileLock, Timeout
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME, get_current_settings

from mixval.errors import MixvalError

HOST = "127.0.0.1"
POLL_SECONDS = 0.1
STOP_TIMEOUT_SECONDS = 5
WAIT_FOR_OTHERS = 10
"""Starts that may come before this one on a fresh machine, one after another."""
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
        with _migrating_alone(timeout), _reserved_port() as self._port:
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
def _migrating_alone(timeout: float) -> Iterator[None]:
    """Within this block a server may start: beside others where the database has its tables, else one after another.

    A server that starts on a database without tables makes them, and one that does so at the same moment ends with an error.
    """
    home = PREFECT_HOME.value()
    home.mkdir(parents=True, exist_ok=True)
    if (home / _migrated()).exists():
        yield
        return
    lock = FileLock(home / ".mixval-migrating.lock", timeout=WAIT_FOR_OTHERS * timeout)
    try:
        held = lock.acquire()
    except Timeout as error:
        raise MixvalError(
            f"{lock.lock_file}: expected the lock within {WAIT_FOR_OTHERS * timeout:g} s, found it held: other processes "
            "prepare Prefect's database, or one hangs. End it, or start `prefect server start` and set PREFECT_API_URL."
        ) from error
    with held:
        yield
        (home / _migrated()).touch()


def _migrated() -> str:
    """Name of the file that says that the database has its tables.

    It changes with the database, with the file that it is, and with Prefect's version, which brings tables of its own.
    """
    url = str(PREFECT_API_DATABASE_CONNECTION_URL.value())
    file = Path(url.rpartition(":///")[2].partition("?")[0])
    made = file.stat().st_ino if url.startswith("sqlite") and file.is_file() else 0
    return f".mixval-migrated-{hashlib.blake2b(f'{prefect.__version__} {url} {made}'.encode(), digest_size=8).hexdigest()}"


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that is reserved within the block; the server, which binds with SO_REUSEADDR, may still listen on it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield int(holder.getsockname()[1])
