"""How errors are shown, and the exit codes they give."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from mixval import stopping
from mixval.cli.interrupts import exit_code, say_interrupted
from mixval.errors import MixvalError


@contextmanager
def errors_shown(as_json: bool) -> Iterator[None]:
    """Known errors become a message and an exit code; unknown ones keep their traceback.

    Whatever goes wrong in a process that was told to stop is the interruption that somebody asked for.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) or stopping.told() is not None:
            say_interrupted()
            sys.exit(exit_code())
        if not isinstance(error, MixvalError):
            raise
        if as_json:
            typer.echo(json.dumps({"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}))
        else:
            typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(error.exit_code)
