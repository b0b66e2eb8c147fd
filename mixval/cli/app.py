"""Commands, their exit codes and how errors are shown.

Exit codes: 0 done; 1 unexpected; 2 configuration or usage; 3 no contributor admitted, or a delivery stays
out of the table; 4 rows or target break the contract;
5 storage; 6 model; 7 numerics; 8 does not fit memory; 9 a warning of `--fail-on`; 129, 130 or 143 stopped by a
signal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixval import __version__
from mixval.cli.corpus import corpus
from mixval.cli.exits import errors_shown
from mixval.cli.flows import FlowCommand, registry, run_flow
from mixval.cli.gating import gate, history, quarantine
from mixval.cli.options import ConfigFile, Json, Output, Settings, changes_of
from mixval.cli.origin import origin
from mixval.cli.recipe import recipe
from mixval.cli.scaling import scaling
from mixval.cli.stored import diff, explain, list_runs, print_union, report, show
from mixval.cli.synthesizing import synthesize
from mixval.config.tasks import EVERY_TASK
from mixval.errors import ConfigError

if TYPE_CHECKING:
    from mixval.config.overrides import Override
    from mixval.evidence.results import WorldResult
    from mixval.storage.root import Location

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False)

FailOn = Annotated[
    list[str] | None,
    typer.Option(
        help="End with exit code 9 if the run has this kind of warning, or one of this severity or worse: serious, caution or "
        "note. Repeatable.",
        show_default=False,
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mixval {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Rank data contributors by how much their rows would improve a model on a target set, before any training.

    Start with `mixval init DIR`, then `mixval plan`, then `mixval value`.

    Exit codes: 0 done, 1 unexpected error, 2 configuration or usage, 3 no contributor admitted or a delivery stays out,
    4 rows or target break the row contract, 5 storage, 6 model, 7 numerical error, 8 not enough memory, 9 a warning of
    `--fail-on`, 130 interrupted,
    143 terminated.
    """


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder in which to write mixval.yaml.", show_default=False)],
    task: Annotated[
        str, typer.Option(help=f"What the rows are for: {', '.join(EVERY_TASK[:-1])} or {EVERY_TASK[-1]}.")
    ] = "image-classification",
    hub: Annotated[
        bool | None,
        typer.Option(
            "--hub/--offline",
            help="A backbone from the Hugging Face hub, or one made from a seed. Default: the hub's, if it answers.",
            show_default=False,
        ),
    ] = None,
    in_front_of_table: Annotated[
        bool, typer.Option("--gate", help="Write gate.yaml instead: a gate in front of a table.")
    ] = False,
) -> None:
    """Write a commented configuration for your data."""
    from mixval.cli.gate_template import GATE
    from mixval.cli.template import VALUATION, begin

    with errors_shown(as_json=False):
        kind = GATE if in_front_of_table else VALUATION
        typer.echo(begin(folder, task, hub, say=lambda line: typer.echo(line, err=True), kind=kind))


@app.command()
def plan(config: ConfigFile, settings: Settings = None, output: Output = None, as_json: Json = False) -> None:
    """Print the rows, time and memory that a run would take. Runs only a short probe of the backbone."""
    with errors_shown(as_json):
        from mixval.cli.plan_view import plan_document, print_plan

        flow = registry().flow_named("valuation")
        prepared = flow.make_plan(flow.load_config(config, changes_of(settings, output)))
        if as_json:
            typer.echo(json.dumps(plan_document(prepared), indent=2))
        else:
            print_plan(prepared)


@app.command()
def value(
    config: Annotated[
        str, typer.Argument(help="A configuration; write one with `mixval init DIR`. With --union: a run.", show_default=False)
    ],
    union: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Run nothing; print the value of these contributors together, from a stored run's statistics: a,b,c. Names "
            "with a comma stand in double quotes. CONFIG may be the run's URL or id (below --output).",
            show_default=False,
        ),
    ] = None,
    settings: Settings = None,
    output: Output = None,
    as_json: Json = False,
    fail_on: FailOn = None,
) -> None:
    """Check, measure and rank all contributors, and write tables and a report. Recomputes only what has changed."""
    if union is None:
        _run("valuation", Path(config), as_json, settings, output, fail_on)
        return
    with errors_shown(as_json):
        if settings or fail_on:
            raise ConfigError("--union: expected a stored run as it is, found --set or --fail-on too. Leave them out.")
        print_union(config, union, output, as_json)


@app.command()
def calibrate(config: ConfigFile, settings: Settings = None, output: Output = None, as_json: Json = False) -> None:
    """Train on each contributor and fit the weights of Eq. 8's terms to the results. Repeats no finished training."""
    _run("calibration", config, as_json, settings, output)


@app.command(cls=FlowCommand)
def run(
    flow: Annotated[str, typer.Argument(help="Name of the flow; listed below.", show_default=False)],
    config: Annotated[Path, typer.Argument(help="YAML configuration of that flow.", show_default=False)],
    settings: Settings = None,
    output: Output = None,
    as_json: Json = False,
    fail_on: FailOn = None,
) -> None:
    """Run any flow by its name. `value` and `calibrate` are short for two of them."""
    _run(flow, config, as_json, settings, output, fail_on)


@app.command()
def evidence(
    config: Annotated[
        Path | None, typer.Argument(help="The configuration that was given to `mixval calibrate`.", show_default=False)
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option(
            help="Compute nothing; show the evidence stored below this URL (an output root or a folder of results). Repeatable."
        ),
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Methods to compare, separated by commas. Default: all that apply to the task.")
    ] = None,
    ours: Annotated[str, typer.Option(help="Method that all others are compared with.")] = "ntk-regression",
    settings: Settings = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Compare rankings with the results of training: accuracy and cost of each method. Run `calibrate` first."""
    with errors_shown(as_json):
        from mixval.cli.evidence_view import shown_evidence

        if (config is None) == (not results) or (config is None and (methods or settings or output)):
            raise ConfigError(
                "evidence: expected either a configuration (with --methods, --set, --output where wanted), or --results URL of "
                "stored evidence and none of these. Give exactly one of the two."
            )
        stored, folder = (
            _stored(results) if config is None else _measured(config, changes_of(settings, output), methods, ours, as_json)
        )
        typer.echo(shown_evidence(stored, ours, folder, as_json))


app.command("list")(list_runs)
for command in (show, diff, report, explain, recipe):
    app.command()(command)
app.command()(corpus)
app.command()(origin)
app.command()(gate)
app.command()(history)
app.command()(synthesize)
app.add_typer(quarantine, name="quarantine")
app.add_typer(scaling, name="scaling")


@app.command(cls=FlowCommand)
def schema(
    flow: Annotated[str, typer.Argument(help="Name of the flow; listed below.", show_default=False)] = "valuation",
) -> None:
    """Print the JSON schema of a flow's configuration, with which editors complete and check keys."""
    with errors_shown(as_json=False):
        typer.echo(json.dumps(registry().flow_named(flow).config_schema(), indent=2))


def _run(
    flow: str, config: Path, as_json: bool, settings: list[str] | None, output: str | None, fail_on: list[str] | None = None
) -> None:
    with errors_shown(as_json):
        sys.exit(run_flow(flow, config, as_json, changes_of(settings, output), fail_on or ()))


def _measured(
    config: Path, changes: Sequence[Override], methods: str | None, ours: str, quiet: bool
) -> tuple[list[WorldResult], Location]:
    """The evidence of one configuration, named after its file, and the folder in which it is stored."""
    from mixval.cli.progress_view import front_end
    from mixval.config.load import load_config_as
    from mixval.evidence.calibrating_config import CalibrationConfig
    from mixval.evidence.own_data import measure_evidence
    from mixval.evidence.ranking import chosen_methods
    from mixval.evidence.results import read_result
    from mixval.progress import shown_by

    loaded = load_config_as(CalibrationConfig, config, changes)
    if not chosen_methods(loaded.task, {ours}):
        raise ConfigError(f"--ours: expected a method for the task {loaded.task!r}, found {ours!r}. See `docs/evidence.md`.")
    wanted = None if methods is None else {*filter(None, (name.strip() for name in methods.split(","))), ours}
    with front_end(quiet) as progress, shown_by(progress):
        folder = measure_evidence(loaded, config.stem, wanted, f"mixval evidence {config.name}")
    return [read_result(folder)], folder


def _stored(urls: list[str] | None) -> tuple[list[WorldResult], Location]:
    """All worlds below these URLs, and the first of the folders."""
    from mixval.evidence.own_data import evidence_folder
    from mixval.evidence.results import read_results
    from mixval.storage.root import open_location

    folders = [evidence_folder(open_location(url)) for url in urls or []]
    return [world for folder in folders for world in read_results(folder)], folders[0]
