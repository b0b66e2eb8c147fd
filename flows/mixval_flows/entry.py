"""Shared by the commands that need a lasting Prefect server: exit codes, the check for the server, no telemetry."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mixval.errors import ConfigError, MixvalError
from mixval_flows.quiet import QUIET

NO_TELEMETRY = {name: QUIET[name] for name in ("PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK")}
"""Environment of a process without telemetry. Prefect's log is unchanged."""


def without_telemetry() -> None:
    """Set what is not set already. Must come before Prefect reads its settings."""
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Known errors become a message on standard error and their exit code; unknown ones keep their traceback."""
    try:
        yield
    except MixvalError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code)


def require_api(what: str) -> None:
    """Raise `ConfigError` unless a Prefect API is configured: a temporary one would end with the command `what`."""
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise ConfigError(
            f"{what}: expected a lasting Prefect server, found no PREFECT_API_URL. Start one with `prefect server start`, "
            "then `export PREFECT_API_URL=http://127.0.0.1:4200/api`."
        )
