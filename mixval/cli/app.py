"""Commands, their exit codes and how errors are shown.

Exit codes: 0 done; 1 unexpected; 2 configuration or usage; 3 no contributor admitted; 4 rows or target break the contract;
5 storage; 6 model; 7 numerics; 8 does not fit memory; 9 a warning of `--fail-on`; 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixval import __version__
from mixval.cli.flows import FlowCommand, registry, run_flow
from mixval.config.tasks import EVERY_TASK
from mixval.errors import ConfigError, MixvalError

if TYPE_CHECKING:
    from mixval.evidence.results import WorldResult
    from mixval.storage.root import Location

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False)

ConfigFile = Annotated[Path, typer.Argument(help="A configuration; write one with `mixval init DIR`.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on standard output.")]

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

    Exit codes: 0 done, 1 unexpected error, 2 configuration or usage, 3 no contributor admitted, 4 rows or target break the
    row contract, 5 storage, 6 model, 7 numerical error, 8 not enough memory, 9 a warning of `--fail-on`, 130 interrupted.
    """


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder in which to write mixval.yaml.", show_default=False)],
    task: Annotated[
        str, typer.Option(help=f"What the rows are for: {', '.join(EVERY_TASK[:-1])} or {EVERY_TASK[-1]}.")
    ] = "image-classification",
) -> None:
    """Write a commented configuration for your data."""
    from mixval.cli.template import write_template

    with _errors(as_json=False):
        typer.echo(f"wrote {write_template(folder, task)}. Fill in the URLs, then: mixval plan {folder}/mixval.yaml")


@app.command()
def plan(config: ConfigFile, as_json: Json = False) -> None:
    """Print the rows, time and memory that a run would take. Runs only a short probe of the backbone."""
    with _errors(as_json):
        from mixval.cli.plan_view import plan_document, print_plan

        flow = registry().flow_named("valuation")
        prepared = flow.make_plan(flow.load_config(config))
        if as_json:
            typer.echo(json.dumps(plan_document(prepared), indent=2))
        else:
            print_plan(prepared)


@app.command()
def value(config: ConfigFile, as_json: Json = False, fail_on: FailOn = None) -> None:
    """Check, measure and rank all contributors, and write tables and a report. Recomputes only what has changed."""
    _run("valuation", config, as_json, fail_on)


@app.command()
def calibrate(config: ConfigFile, as_json: Json = False) -> None:
    """Train on each contributor and fit the weights of Eq. 8's terms to the results. Repeats no finished training."""
    _run("calibration", config, as_json)


@app.command(cls=FlowCommand)
def run(
    flow: Annotated[str, typer.Argument(help="Name of the flow; listed below.", show_default=False)],
    config: Annotated[Path, typer.Argument(help="YAML configuration of that flow.", show_default=False)],
    as_json: Json = False,
    fail_on: FailOn = None,
) -> None:
    """Run any flow by its name. `value` and `calibrate` are short for two of them."""
    _run(flow, config, as_json, fail_on)


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
    as_json: Json = False,
) -> None:
    """Compare rankings with the results of training: accuracy and cost of each method. Run `calibrate` first."""
    with _errors(as_json):
        from mixval.cli.evidence_view import shown_evidence

        if (config is None) == (not results) or (methods is not None and config is None):
            raise ConfigError(
                "evidence: expected either a configuration (optionally with --methods) or --results URL of stored evidence. "
                "Give exactly one of the two."
            )
        stored, folder = _stored(results) if config is None else _measured(config, methods, ours, as_json)
        typer.echo(shown_evidence(stored, ours, folder, as_json))


@app.command()
def report(
    run_folder: Annotated[str, typer.Argument(help="URL of a run, or of an output root (its latest run).", metavar="RUN")],
    as_json: Json = False,
) -> None:
    """Write report.html of a stored run again."""
    with _errors(as_json):
        from mixval.publish.stored_run import open_run, rebuild_report

        written = rebuild_report(open_run(run_folder))
        typer.echo(json.dumps({"report": written.url}) if as_json else f"wrote {written.url}")


@app.command()
def explain(
    run_folder: Annotated[str, typer.Argument(help="URL of a run, or of an output root (its latest run).", metavar="RUN")],
    contributor: Annotated[str, typer.Argument(help="Its name as the data spells it.")],
    as_json: Json = False,
) -> None:
    """Show why a contributor has its rank, or why it was rejected."""
    with _errors(as_json):
        from mixval.publish import explain as explaining
        from mixval.publish.stored_run import open_run

        stored = open_run(run_folder)
        tables = (stored.ranking, stored.terms, stored.rejected)
        coalitions = (stored.coalitions, stored.redundancy)
        found = explaining.explain(*tables, contributor, stored.manifest.warnings, *coalitions)
        typer.echo(found.model_dump_json(indent=2) if as_json else explaining.explanation_text(found))


def _run(flow: str, config: Path, as_json: bool, fail_on: list[str] | None = None) -> None:
    with _errors(as_json):
        sys.exit(run_flow(flow, config, as_json, fail_on or ()))


def _measured(config: Path, methods: str | None, ours: str, quiet: bool) -> tuple[list[WorldResult], Location]:
    """The evidence of one configuration, named after its file, and the folder in which it is stored."""
    from mixval.cli.progress_view import front_end
    from mixval.config.load import load_config_as
    from mixval.evidence.calibrating_config import CalibrationConfig
    from mixval.evidence.own_data import measure_evidence
    from mixval.evidence.ranking import chosen_methods
    from mixval.evidence.results import read_result
    from mixval.progress import shown_by

    loaded = load_config_as(CalibrationConfig, config)
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


@contextmanager
def _errors(as_json: bool) -> Iterator[None]:
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
