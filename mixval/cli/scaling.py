"""Commands that fit scaling laws to a table of training runs: they need the table alone, and no configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.experimenting import experiment, study
from mixval.cli.options import Json
from mixval.cli.scaling_breakpoints import breakpoints
from mixval.cli.scaling_generators import generators
from mixval.cli.scaling_phases import phases
from mixval.cli.scaling_weights import weights
from mixval.errors import ConfigError

if TYPE_CHECKING:
    from mixval.scaling.studying import Study

scaling = typer.Typer(
    no_args_is_help=True,
    help="Scaling laws from a table of training runs: fit them, and plan with them. `experiment` and `study` train models, and "
    "take a configuration.",
)

scaling.command()(phases)
scaling.command()(generators)
scaling.command()(breakpoints)
scaling.command()(weights)
scaling.command()(experiment)
scaling.command("study")(study)

Table = Annotated[
    Path,
    typer.Argument(metavar="RUNS.csv", help="One line a finished run; the first line names the columns.", show_default=False),
]
Loss = Annotated[str, typer.Option("--loss", metavar="COL", help="Column of the loss, in nats or bits.", show_default=False)]
Data = Annotated[
    str | None, typer.Option("--data", metavar="COL", help="Column of training tokens (or rows).", show_default=False)
]
Params = Annotated[str | None, typer.Option("--params", metavar="COL", help="Column of model parameters.", show_default=False)]
Unique = Annotated[
    str | None,
    typer.Option("--unique", metavar="COL", help="Column of tokens in the corpus, where runs repeat it.", show_default=False),
]
Epochs = Annotated[
    str | None, typer.Option("--epochs", metavar="COL", help="Column of epochs, instead of --unique.", show_default=False)
]
Mixture = Annotated[
    str | None,
    typer.Option("--mixture", metavar="COL", help="Column that names each run's mixture of data.", show_default=False),
]
LawName = Annotated[
    str,
    typer.Option(
        "--law",
        help="data, size, joint, kaplan, coupled, repeated or overfit; auto takes the one that rolling validation prefers.",
    ),
]
AtData = Annotated[
    str | None,
    typer.Option("--at-data", metavar="D", help="Training tokens of a planned run, as 200B.", show_default=False),
]
AtParams = Annotated[
    str | None, typer.Option("--at-params", metavar="N", help="Parameters of a planned run, as 3B.", show_default=False)
]
MostFactor = Annotated[
    float, typer.Option("--most-factor", help="Say nothing farther than this many times beyond the runs.", min=1.0)
]
NDraws = Annotated[int, typer.Option("--draws", help="Refitted laws that intervals are made from.", min=50)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of those draws.")]


@scaling.command()
def fit(
    table: Table,
    loss: Loss,
    data: Data = None,
    params: Params = None,
    unique: Unique = None,
    epochs: Epochs = None,
    mixture: Mixture = None,
    law: LawName = "auto",
    at_data: AtData = None,
    at_params: AtParams = None,
    most_factor: MostFactor = 4.0,
    draws: NDraws = 1000,
    seed: Seed = 0,
    output: Annotated[
        Path | None, typer.Option(help="Write the result to this file, which ends in .json or .csv.", show_default=False)
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write a page with plots to this .html file.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Fit a scaling law to each mixture, with intervals, and predict planned runs."""
    with errors_shown(as_json):
        from mixval.cli.scaling_view import print_study
        from mixval.publish.scaling.document import study_document

        form = _form_of(output)
        found = _study(table, (loss, data, params, unique, epochs, mixture), law, draws, seed)
        points = _points(found, at_data, at_params)
        document = study_document(found, points, most_factor, seed)
        _write(output, form, document)
        if page is not None:
            from mixval.publish.scaling.render import render_study

            page.write_text(render_study(found, document, table.name), encoding="utf-8")
        if as_json:
            typer.echo(json.dumps(document, indent=2))
        else:
            print_study(document)
            for file in (output, page):
                if file is not None:
                    typer.echo(f"wrote {file}")


@scaling.command()
def advise(
    table: Table,
    loss: Loss,
    data: Annotated[str, typer.Option("--data", metavar="COL", help="Column of training tokens.", show_default=False)],
    mixture: Annotated[
        str, typer.Option("--mixture", metavar="COL", help="Column that names each run's mixture of data.", show_default=False)
    ],
    at_data: Annotated[
        str, typer.Option("--at-data", metavar="D", help="The planned training tokens, as 200B.", show_default=False)
    ],
    params: Params = None,
    at_params: AtParams = None,
    reference: Annotated[
        str | None,
        typer.Option(help="Mixture that the others are compared with. Default: the table's first.", show_default=False),
    ] = None,
    law: LawName = "auto",
    most_factor: MostFactor = 4.0,
    draws: NDraws = 1000,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Say which mixture is best at a planned budget, what it saves, where curves cross, what more buys, and when to stop."""
    with errors_shown(as_json):
        from itertools import combinations

        from mixval.cli.scaling_view import print_advice
        from mixval.publish.scaling.document import advice_document
        from mixval.scaling.advice import crossings, standings
        from mixval.scaling.worth import worths

        found = _study(table, (loss, data, params, None, None, mixture), law, draws, seed)
        point = _points(found, at_data, at_params)[0]
        size, against = point.get("params"), reference or found.mixtures[0].runs.mixture
        ranked = standings(found.mixtures, point["tokens"], size, against, most_factor)
        met = [one for pair in combinations(found.mixtures, 2) for one in crossings(*pair, size, most_factor)]
        told = worths(found.mixtures, point["tokens"], size, against, most_factor)
        document = advice_document(ranked, met, told, point, against)
        if as_json:
            typer.echo(json.dumps(document, indent=2))
        else:
            print_advice(document, [warning for one in found.mixtures for warning in one.warnings])


def _study(table: Path, names: tuple[str | None, ...], law: str, draws: int, seed: int) -> Study:
    from mixval.scaling.runs import Named, read_runs
    from mixval.scaling.studying import study

    loss, data, params, unique, epochs, mixture = names
    if unique is not None and epochs is not None:
        raise ConfigError("--unique and --epochs: expected one of them, found both. Leave one out.")
    named = Named(loss or "", data, params, unique, epochs, mixture)
    return study(read_runs(table, named), law, n_draws=draws, seed=seed)


def _points(found: Study, at_data: str | None, at_params: str | None) -> list[dict[str, float]]:
    """The planned run, where all inputs of the law are given; its data is taken as unique."""
    from mixval.scaling.runs import number_of

    given = {"tokens": at_data, "params": at_params}
    inputs = found.candidates[0].law.inputs
    wanted = {name: given[name] for name in inputs if name != "unique_tokens"}
    options = {"tokens": "--at-data", "params": "--at-params"}
    if unused := [options[name] for name, value in given.items() if value is not None and name not in wanted]:
        raise ConfigError(f"{', '.join(unused)}: the law {found.candidates[0].law.formula} has no such input. Leave it out.")
    if all(value is None for value in wanted.values()):
        return []
    if missing := [options[name] for name, value in wanted.items() if value is None]:
        both = " and ".join(options[name] for name in wanted)
        raise ConfigError(f"planned run: expected {both}, found no {missing[0]}. Give it.")
    point = {name: number_of(value or "", options[name]) for name, value in wanted.items()}
    return [point | ({"unique_tokens": point["tokens"]} if "unique_tokens" in inputs else {})]


def _form_of(output: Path | None) -> str:
    if output is None or output.suffix in {".json", ".csv"}:
        return "" if output is None else output.suffix
    raise ConfigError(f"--output: expected a file that ends in .json or .csv, found {output}. Rename it.")


def _write(output: Path | None, form: str, document: dict[str, Any]) -> None:
    from mixval.publish.scaling.document import csv_text

    if output is not None:
        output.write_text(json.dumps(document, indent=2) + "\n" if form == ".json" else csv_text(document), encoding="utf-8")
