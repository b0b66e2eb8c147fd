"""What the ways in that need a standing Prefect server share: exit codes, the server itself, silence towards others."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flows.quiet import QUIET
from mixval.errors import ConfigError, MixvalError

NO_TELEMETRY = {name: QUIET[name] for name in ("PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK")}
"""Environment of a process that must not report to anybody. Prefect's log stays as it is."""


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
    """Raise `ConfigError` unless a Prefect API is configured: `what` would end with a temporary one."""
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise ConfigError(
            f"{what}: expected a Prefect server that stays, found no PREFECT_API_URL. Start one with `prefect server start`, "
            "then `export PREFECT_API_URL=http://127.0.0.1:4200/api`."
        )
