"""Arguments and options that several commands take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mixval.config.overrides import Override, overrides

ConfigFile = Annotated[Path, typer.Argument(help="A configuration; write one with `mixval init DIR`.", show_default=False)]
Run = Annotated[
    str,
    typer.Argument(
        help="A run: the URL of its folder or of an output (its latest run), its id, or a configuration (its latest run).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on standard output.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A value in place of the configuration's: dotted key, YAML value, as in --set sample.count=500. Repeatable.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Output root in place of the configuration's. Short for --set output=URL.", show_default=False
    ),
]


def changes_of(settings: Sequence[str] | None, output: str | None) -> list[Override]:
    """What the two options above set. Raises ConfigError for a setting of another form."""
    return [*overrides(settings or []), *([] if output is None else [Override(("output",), output)])]
