"""`mixval scaling experiment`: models trained on ever more rows, beside the exact curve."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.flows import run_or_plan
from mixval.cli.options import ConfigFile, Json, Output, Settings, changes_of

FLOW = "experiment"


def experiment(
    config: ConfigFile,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train nothing; print the trainings, operations and hours that a run would take.")
    ] = False,
    settings: Settings = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Train models on ever more rows of a long tail, and draw their errors beside the exact curve. Takes a configuration."""
    with errors_shown(as_json):
        changes = changes_of(settings, output)
        sys.exit(run_or_plan(FLOW, config, changes, dry_run=dry_run, as_json=as_json, show_plan=_show_plan))


def _show_plan(plan: Any) -> None:
    from mixval.cli.experiment_view import print_plan

    print_plan(plan)
