"""Prefect's voice, when another front end speaks."""

import os

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_PROMPT": "false",
}
"""For runs that have a front end of their own: Prefect's log still goes to its API, not over the progress bars."""


def quiet() -> None:
    """Set what is not set already. Must come before Prefect reads its settings."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
