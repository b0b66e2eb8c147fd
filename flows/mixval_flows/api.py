"""One Prefect API for a run: the configured one, else a temporary server for the duration of the session."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.asyncutils import run_coro_as_sync

from mixval_flows.server import TemporaryServer

START_TIMEOUT_SECONDS = 90
"""The first start on a machine migrates a fresh database."""

IDLE_SERVICES = (
    "CANCELLATION_CLEANUP",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "REPOSSESSOR",
    "SCHEDULER",
    "TRIGGERS",
)
"""Services that a temporary server does not need: it has no schedules, workers or automations."""


def temporary_environment() -> dict[str, str]:
    """Settings of the temporary server only."""
    services = {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in IDLE_SERVICES}
    return services | {"PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false"}


class ApiStart:
    """The API that flow, tasks and artifacts of this process use."""

    def __init__(self) -> None:
        """Nothing starts yet."""
        self._server: TemporaryServer | None = None

    def begin(self) -> None:
        """Start a temporary server, unless an API is configured or one was started. Waits until it answers."""
        if PREFECT_API_URL.value() or self._server is not None:
            return
        for name, setting in temporary_environment().items():
            os.environ.setdefault(name, setting)  # the server inherits it; Prefect's settings of this process are read already
        self._server = TemporaryServer()
        self._server.start(START_TIMEOUT_SECONDS)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Within this block Prefect uses the API."""
        self.begin()
        if self._server is None:
            yield
            return
        with temporary_settings({PREFECT_API_URL: self._server.api_url}):
            yield
            _drain()

    def close(self) -> None:
        """Stop the temporary server, if there is one."""
        if self._server is not None:
            self._server.stop()


def _drain() -> None:
    """Send queued logs and events before the server stops, else final states are lost."""

    async def drain() -> None:
        for pending in (lambda: APILogWorker.instance().drain(), EventsWorker.drain_all):
            with suppress(RuntimeError):  # a worker that was never started has nothing to send
                result = pending()
                if inspect.isawaitable(result):
                    await result

    run_coro_as_sync(drain())
