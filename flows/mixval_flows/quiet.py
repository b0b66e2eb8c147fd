"""Prefect without console output, for runs with progress of their own."""

import os

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_PROMPT": "false",
}
"""Settings for such runs: Prefect's log still goes to its API, but not over the progress bars."""


def quiet() -> None:
    """Set what is not set already. Must come before Prefect reads its settings."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
