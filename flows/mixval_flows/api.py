"""One Prefect API for a run: the configured one, else a temporary server for the duration of the session."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.asyncutils import run_coro_as_sync

from mixval import stopping
from mixval_flows.server import TemporaryServer

START_TIMEOUT_SECONDS = 900
"""Ends what hangs. A server that lives is waited for: on a fresh machine servers migrate a database, one after another, which
takes minutes where other work has the cores."""
DRAIN_SECONDS = 10
"""For the last logs and events. An API that takes longer gets no more of them; the run does not wait for it."""

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
    # Without blocks to register their packages need no import to see whether they have changed: a quarter of the start.
    blocks = ("PREFECT_SERVER_REGISTER_BLOCKS_ON_START", "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION")
    return services | dict.fromkeys(blocks, "false")


class ApiStart:
    """The API that flow, tasks and artifacts of this process use."""

    def __init__(self) -> None:
        """Nothing starts yet."""
        self._server: TemporaryServer | None = None

    def begin(self) -> None:
        """Start a temporary server, unless an API is configured or one runs. Waits until it answers."""
        if PREFECT_API_URL.value() or (self._server is not None and self._server.is_usable):
            return
        for name, setting in temporary_environment().items():
            os.environ.setdefault(name, setting)  # the server inherits it; Prefect's settings of this process are read already
        self._server = TemporaryServer()
        self._server.start(START_TIMEOUT_SECONDS)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Within this block Prefect uses the API. Raises MixvalError where it ended and could not be replaced."""
        self.begin()
        with temporary_settings({PREFECT_API_URL: self._server.api_url} if self._server is not None else {}):
            try:
                yield
            except Exception as error:
                if self._server is not None and self._server.error is not None:
                    raise self._server.error from error
                raise
            finally:
                if self._server is None or self._server.is_usable:
                    _drain(DRAIN_SECONDS if stopping.told() is None else 1)

    def close(self) -> None:
        """Stop the temporary server, if there is one. From any thread, also while it starts."""
        if self._server is not None:
            self._server.stop()


def _drain(seconds: float) -> None:
    """Send queued logs and events before the server stops, else final states are lost. Ends after so long, sent or not."""

    async def drain() -> None:
        for pending in (lambda: APILogWorker.instance().drain(), EventsWorker.drain_all):
            with suppress(RuntimeError):  # a worker that was never started has nothing to send
                result = pending()
                if inspect.isawaitable(result):
                    await result

    async def limited() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(drain(), seconds)

    run_coro_as_sync(limited())
