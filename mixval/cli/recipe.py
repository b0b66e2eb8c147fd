"""`mixval recipe`: which rows to take for a training of so many rows or tokens, from a stored run's statistics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.options import Json, Run
from mixval.cli.stored import Within
from mixval.errors import ConfigError

if TYPE_CHECKING:
    from mixval.stages.recipe import RecipeDocument


def recipe(
    run: Run,
    rows: Annotated[float | None, typer.Option(help="Rows to draw.", show_default=False)] = None,
    tokens: Annotated[float | None, typer.Option(help="Answer tokens to draw, in place of rows.", show_default=False)] = None,
    repeats: Annotated[float, typer.Option(help="Times that a row is drawn at most.")] = 4.0,
    to: Annotated[
        Path | None, typer.Option(help="File to write: .yaml, .yml or .json. Default: none.", show_default=False)
    ] = None,
    within: Within = None,
    as_json: Json = False,
) -> None:
    """Choose contributors, parts and weights for a budget, with the predicted value. Neither data nor model are read."""
    with errors_shown(as_json):
        from mixval.cli.recipe_view import recipe_text
        from mixval.cli.runs import find_run
        from mixval.stages.recipe import recipe_of

        if (rows is None) == (tokens is None):
            raise ConfigError(
                "recipe: expected a budget as --rows N or as --tokens N, found both or none. Give one of the two."
            )
        if to is not None and to.suffix not in (".yaml", ".yml", ".json"):
            raise ConfigError(f"--to: expected a file that ends in .yaml, .yml or .json, found {to}.")
        unit, budget = ("rows", rows) if rows is not None else ("tokens", tokens)
        stored = find_run(run, within)
        found = recipe_of(stored, unit, float(budget or 0.0), repeats)  # type: ignore[arg-type]  # one of two literals
        if to is not None:
            _write(found, to)
        typer.echo(found.model_dump_json(indent=2) if as_json else recipe_text(found, stored, to))


def _write(found: RecipeDocument, file: Path) -> None:
    import yaml

    document = found.model_dump(mode="json")
    is_json = file.suffix == ".json"
    text = json.dumps(document, indent=2) + "\n" if is_json else yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    file.write_text(text, encoding="utf-8")
