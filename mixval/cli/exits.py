"""How errors are shown, and the exit codes they give."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from mixval.errors import MixvalError


@contextmanager
def errors_shown(as_json: bool) -> Iterator[None]:
    """Known errors become a message and an exit code; unknown ones keep their traceback."""
    try:
        yield
    except MixvalError as error:
        if as_json:
            typer.echo(json.dumps({"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}))
        else:
            typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("interrupted; finished work is stored, run the same command again to continue", err=True)
        sys.exit(130)
