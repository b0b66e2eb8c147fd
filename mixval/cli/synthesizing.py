"""The command that makes synthetic rows."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.flows import registry, run_flow
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
        if not dry_run:
            sys.exit(run_flow(FLOW, config, as_json, changes))
        from mixval.cli.synthesis_view import print_estimate

        flow = registry().flow_named(FLOW)
        estimate = flow.make_plan(flow.load_config(config, changes))
        if as_json:
            typer.echo(json.dumps(estimate.model_dump(mode="json"), indent=2))
        else:
            print_estimate(estimate)
