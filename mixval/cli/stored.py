"""Commands that read what runs have published: neither rows nor models are opened."""

from __future__ import annotations

import csv
import json
from typing import Annotated

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.options import Json, Run
from mixval.errors import ConfigError

Within = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="URL",
        help="Where a run id is looked for. Default: the output of ./mixval.yaml.",
        show_default=False,
    ),
]


def show(run: Run, within: Within = None, as_json: Json = False) -> None:
    """Print the ranking of a stored run."""
    with errors_shown(as_json):
        from mixval.cli.runs import find_run
        from mixval.cli.show_view import print_run, run_document

        stored = find_run(run, within)
        if as_json:
            typer.echo(json.dumps(run_document(stored), indent=2))
        else:
            print_run(stored)


def list_runs(
    output: Annotated[
        str | None,
        typer.Argument(
            help="URL of an output root, or a configuration. Default: the output of ./mixval.yaml.",
            metavar="OUTPUT",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most runs shown.")] = 20,
    as_json: Json = False,
) -> None:
    """List the published runs, newest first, and what each says."""
    with errors_shown(as_json):
        from mixval.cli.history_view import list_text
        from mixval.cli.runs import output_given
        from mixval.publish import run_list

        root = output_given(output)
        runs, n_runs = run_list.list_runs(root, limit)
        if as_json:
            typer.echo(json.dumps({"n_runs": n_runs, "runs": [one.model_dump(mode="json") for one in runs]}, indent=2))
        else:
            typer.echo(list_text(runs, n_runs, root.url))


def diff(
    before: Annotated[
        str, typer.Argument(help="The earlier run: a URL, an id, or a configuration.", metavar="RUN", show_default=False)
    ],
    after: Annotated[str, typer.Argument(help="The later run, likewise.", metavar="RUN", show_default=False)],
    within: Within = None,
    as_json: Json = False,
) -> None:
    """Show what changed between two runs, and who rose or fell by more than the uncertainty."""
    with errors_shown(as_json):
        from mixval.cli.history_view import difference_text
        from mixval.cli.runs import find_run
        from mixval.publish.difference import compare_runs

        found = compare_runs(find_run(before, within), find_run(after, within))
        typer.echo(found.model_dump_json(indent=2) if as_json else difference_text(found))


def report(run: Run, within: Within = None, as_json: Json = False) -> None:
    """Write report.html of a stored run again."""
    with errors_shown(as_json):
        from mixval.cli.runs import find_run
        from mixval.publish.stored_run import rebuild_report

        written = rebuild_report(find_run(run, within))
        typer.echo(json.dumps({"report": written.url}) if as_json else f"wrote {written.url}")


def explain(
    run: Run,
    contributor: Annotated[str, typer.Argument(help="Its name as the data spells it.")],
    within: Within = None,
    as_json: Json = False,
) -> None:
    """Show why a contributor has its rank, or why it was rejected."""
    with errors_shown(as_json):
        from mixval.cli.runs import find_run
        from mixval.publish import explain as explaining

        stored = find_run(run, within)
        tables = (stored.ranking, stored.terms, stored.rejected)
        of_shares = (stored.parts, stored.mixture, stored.mixture_best, stored.groups, stored.truncation)
        more = (stored.coalitions, stored.redundancy, *of_shares)
        found = explaining.explain(*tables, contributor, stored.manifest.warnings, *more)
        typer.echo(found.model_dump_json(indent=2) if as_json else explaining.explanation_text(found))


def print_union(run: str, unions: list[str], within: str | None, as_json: bool) -> None:
    """Print the value of a union of a stored run's contributors."""
    from mixval.cli.runs import find_run
    from mixval.cli.union_view import union_document, union_text
    from mixval.stages.coalition_value import coalition_value

    stored = find_run(run, within)
    found = coalition_value(stored, names_in(unions))
    typer.echo(json.dumps(union_document(found, stored), indent=2) if as_json else union_text(found, stored))


def names_in(lists: list[str]) -> list[str]:
    """The names in comma-separated lists; one with a comma stands in double quotes. Raises ConfigError for broken quotes."""
    try:
        return [name for row in csv.reader(lists, skipinitialspace=True, strict=True) for name in row if name]
    except csv.Error as error:
        raise ConfigError(
            f'--union: expected names as a,b or "a, Inc.",b, found {lists!r} ({error}). Correct the quotes.'
        ) from error
