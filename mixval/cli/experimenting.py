"""The commands that train models over a grid: the experiment on three phases, and the study of mixtures."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.flows import run_or_plan
from mixval.cli.options import ConfigFile, Json, Output, Settings, changes_of

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Train nothing; print the trainings, operations and hours that a run would take.")
]


def experiment(
    config: ConfigFile,
    dry_run: DryRun = False,
    settings: Settings = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Train models on ever more rows of a long tail, and draw their errors beside the exact curve. Takes a configuration."""
    with errors_shown(as_json):
        changes = changes_of(settings, output)
        sys.exit(run_or_plan("experiment", config, changes, dry_run=dry_run, as_json=as_json, show_plan=_show_experiment))


def study(
    config: ConfigFile,
    dry_run: DryRun = False,
    settings: Settings = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Train language models on mixtures of real and synthetic text, and find the good ratio. Takes a configuration."""
    with errors_shown(as_json):
        changes = changes_of(settings, output)
        sys.exit(run_or_plan("study", config, changes, dry_run=dry_run, as_json=as_json, show_plan=_show_study))


def _show_experiment(plan: Any) -> None:
    from mixval.cli.experiment_view import print_plan

    print_plan(plan)


def _show_study(plan: Any) -> None:
    from mixval.cli.study_view import print_plan

    print_plan(plan)
