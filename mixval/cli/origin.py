"""`mixval origin`: which share of contributors' rows is real, where they do not say so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.options import Json

if TYPE_CHECKING:
    from mixval.config.source import SourceConfig

Contributors = Annotated[
    list[str],
    typer.Argument(
        metavar="CONTRIBUTORS...", help="Files or folders of texts, each a contributor, as URL or NAME=URL.", show_default=False
    ),
]
Real = Annotated[
    list[str], typer.Option("--real", metavar="URL", help="Texts that are known to be real. Repeatable.", show_default=False)
]
Synthetic = Annotated[
    list[str],
    typer.Option(
        "--synthetic",
        metavar="[NAME=]URL",
        help="Texts that are known to be synthetic, a generator each. Repeatable.",
        show_default=False,
    ),
]
By = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column that names the generator of known synthetic texts.", show_default=False),
]
TextColumn = Annotated[str, typer.Option("--text", metavar="COLUMN", help="Column with the text.")]


def origin(
    contributors: Contributors,
    real: Real,
    synthetic: Synthetic,
    by: By = None,
    text: TextColumn = "text",
    seed: Annotated[int, typer.Option(help="Seed of the draws that intervals are made from.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Estimate the share of real rows of contributors that do not label their origin, with an interval, or say that it cannot
    be told."""
    with errors_shown(as_json):
        from mixval.cli.progress_view import front_end
        from mixval.progress import shown_by
        from mixval.stages.corpus.origins import OriginRequest, measure_origins
        from mixval.stages.corpus.request import named_url

        request = OriginRequest(
            contributors=tuple((name, _source(name, url, text, None)) for name, url in map(named_url, contributors)),
            real=tuple((name, _source(name, url, text, None)) for name, url in map(named_url, real)),
            synthetic=tuple((name, _source(name, url, text, by)) for name, url in map(named_url, synthetic)),
            seed=seed,
        )
        with front_end(as_json) as progress, shown_by(progress):
            document = measure_origins(request)
        if as_json:
            typer.echo(json.dumps(document, indent=2))
        else:
            _print(document)


def _source(name: str, url: str, text: str, by: str | None) -> SourceConfig:
    from mixval.config.source import SourceConfig

    columns: dict[str, str | list[str]] = {} if text == "text" else {"text": text}
    if by is not None:
        return SourceConfig(contributors=url, target=url, columns=columns, layout="column", contributor_column=by)
    return SourceConfig(contributors={name: url}, target=url, columns=columns)


def _print(document: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from mixval.publish.names import shortened, visible
    from mixval.publish.numerals import count, percent

    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for head in ("contributor", "texts", "real", f"{percent(document['level'])} interval", "by words"):
        table.add_column(head, justify="left" if head == "contributor" else "right", no_wrap=head != "contributor")
    for one in document["contributors"]:
        told = one["cannot_tell"] is None
        share = percent(one["real_share"]) if told else "cannot tell"
        interval = f"{percent(one['low'])} to {percent(one['high'])}" if told else "–"
        words = "–" if one["by_words"] is None else percent(one["by_words"])
        table.add_row(escape(shortened(one["name"], 40)), count(one["n_texts"]), share, interval, words)
    console.print(table)
    for one in document["contributors"]:
        if one["cannot_tell"] is not None:
            console.print(escape(f"{visible(one['name'])}: cannot tell: {one['cannot_tell']}"), style="yellow")
    known = f"{count(document['n_known_real'])} real and {count(document['n_known_synthetic'])} synthetic texts"
    console.print(f"Known: {known}; area under the ROC curve between them {document['separation']:.3f}.")
