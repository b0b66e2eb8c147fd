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
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

import prefect
from filelock import FileLock, Timeout
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME, get_current_settings

from mixval.errors import MixvalError

HOST = "127.0.0.1"
POLL_SECONDS = 0.1
STOP_TIMEOUT_SECONDS = 5
REPLACEMENTS = 5
"""Servers that may follow one that ended by itself, or was ended because it did not answer."""
LOOK_SECONDS = 10.0
ANSWER_SECONDS = 15.0
"""For the answer to one look: it asks for nothing but whether the server is there."""
SILENT_SECONDS = 90.0
"""Without any answer, after which a server that runs is ended and replaced: nobody can use it."""
LAST_LINES = 12
"""Of what a server said on standard error, in the message of the error."""
EPHEMERAL = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""As Prefect marks a server that it starts for a flow run."""
INSTEAD = "Start one with `prefect server start` and set PREFECT_API_URL."


class TemporaryServer:
    """Started by `start`, stopped by `stop`, at exit, or with this process. One that ends by itself is replaced."""

    def __init__(self) -> None:
        """Nothing starts yet."""
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._said: IO[bytes] | None = None
        self._is_stopped = threading.Event()
        self._lock = threading.Lock()
        self.error: MixvalError | None = None
        """Why there is none any more, once replacements have failed."""

    @property
    def api_url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self._port}/api"

    @property
    def is_usable(self) -> bool:
        """Whether it runs, or is about to be replaced."""
        return self._process is not None and self.error is None

    def start(self, timeout: float) -> None:
        """Start, and wait until it answers. Raises MixvalError when it ends, or does not answer in time (seconds)."""
        atexit.register(self.stop)
        with _migrating_alone(timeout), _reserved_port() as self._port:
            for n_left in range(REPLACEMENTS, -1, -1):
                try:
                    self._start(timeout)
                    break
                except MixvalError:
                    if not (n_left and self._was_killed()):
                        raise
        threading.Thread(target=self._replace, args=(timeout,), daemon=True, name="replaces the Prefect server").start()

    def _start(self, timeout: float) -> None:
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        command = [sys.executable, "-m", "mixval_flows.serving", HOST, str(self._port)]
        with self._lock:
            if self._is_stopped.is_set():
                return
            self._close_said()
            self._said = tempfile.TemporaryFile()  # noqa: SIM115  read when the server has ended
            # A session of its own: what is sent to our group, as Ctrl-C is, must not end it before us.
            self._process = process = subprocess.Popen(  # noqa: S603  our own interpreter
                command,
                env=os.environ | EPHEMERAL | settings,
                stdin=subprocess.PIPE,
                stderr=self._said,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while not self._answers():
            code = process.poll()
            if self._is_stopped.is_set() or code is not None or time.monotonic() > deadline:
                _end(process)
                found = f"no answer in {timeout:g} s" if code is None else f"its process ended with exit code {code}"
                raise self._ended(found)
            time.sleep(POLL_SECONDS)

    def _replace(self, timeout: float) -> None:
        """Wait for its end; unless it was stopped, start another one on the same port and database."""
        for n_ended in range(1, REPLACEMENTS + 2):
            process = self._process
            how = self._end_of(process) if process is not None else ""
            if self._is_stopped.is_set():
                return
            if n_ended > REPLACEMENTS:
                self.error = self._ended(f"{n_ended} that ended, the last {how}")
                return
            with suppress(MixvalError):  # the last one is told if none of them stays
                self._start(timeout)

    def _end_of(self, process: subprocess.Popen[bytes]) -> str:
        """How it ended, in words. One that has not answered for `SILENT_SECONDS` is ended here."""
        heard, silent = time.monotonic(), ""
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_SECONDS)
                code = _waited_for(process)
                return silent or f"with exit code {code}"
            if self._is_stopped.is_set() or self._answers(ANSWER_SECONDS):
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENT_SECONDS:
                silent = f"by us, as it ran and did not answer for {SILENT_SECONDS:g} s"
                process.kill()

    def _was_killed(self) -> bool:
        return self._process is not None and (self._process.returncode or 0) < 0

    def stop(self) -> None:
        """Stop it, if it runs. From any thread, also while it starts."""
        with self._lock:
            self._is_stopped.set()
            process, self._process = self._process, None
            self._close_said()
        atexit.unregister(self.stop)
        if process is not None:
            _end(process)

    def _close_said(self) -> None:
        if self._said is not None:
            self._said.close()

    def _ended(self, found: str) -> MixvalError:
        lines: list[str] = []
        with self._lock:
            if self._said is not None and not self._said.closed:
                self._said.seek(0)
                lines = self._said.read().decode(errors="replace").rstrip().splitlines()[-LAST_LINES:]
        said = "".join(["\nIts last lines:\n", *(f"  {line}\n" for line in lines)]) if lines else " "
        return MixvalError(f"a temporary Prefect server was expected at {self.api_url}, found {found}.{said}{INSTEAD}")

    def _answers(self, timeout: float = STOP_TIMEOUT_SECONDS) -> bool:
        connection = HTTPConnection(HOST, self._port, timeout=timeout)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):  # not listening yet
            return False
        finally:
            connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    _waited_for(process)


def _waited_for(process: subprocess.Popen[bytes]) -> int:
    code = process.wait()
    if process.stdin is not None:
        process.stdin.close()
    return code


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
    lock = FileLock(home / ".mixval-migrating.lock", timeout=timeout)
    try:
        held = lock.acquire()
    except Timeout as error:
        raise MixvalError(
            f"{lock.lock_file}: expected the lock within {timeout:g} s, found it held: other processes "
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
