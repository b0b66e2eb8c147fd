"""The command that makes synthetic rows."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.flows import run_or_plan
from mixval.cli.options import ConfigFile, Json, Output, Settings, changes_of

FLOW = "synthesis"


def synthesize(
    config: ConfigFile,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask nothing; print the requests, tokens, cost and hours that a run would take.")
    ] = False,
    settings: Settings = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Rephrase documents, or write textbooks from them, with a model or a server. Asks for nothing twice."""
    with errors_shown(as_json):
        changes = changes_of(settings, output)
        sys.exit(run_or_plan(FLOW, config, changes, dry_run=dry_run, as_json=as_json, show_plan=_show_plan))


def _show_plan(plan: Any) -> None:
    from mixval.cli.synthesis_view import print_estimate

    print_estimate(plan)
