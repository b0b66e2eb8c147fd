"""`mixval scaling experiment`: models trained on ever more rows, beside the exact curve."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.flows import registry, run_flow
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
        if not dry_run:
            sys.exit(run_flow(FLOW, config, as_json, changes))
        from mixval.cli.experiment_view import print_plan

        flow = registry().flow_named(FLOW)
        plan = flow.make_plan(flow.load_config(config, changes))
        if as_json:
            typer.echo(json.dumps(plan.model_dump(mode="json"), indent=2))
        else:
            print_plan(plan)
