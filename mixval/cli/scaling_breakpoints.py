"""`mixval scaling breakpoints`: pieces of a power law in measured errors."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.options import Json


def breakpoints(
    table: Annotated[Path, typer.Argument(metavar="RUNS.csv", help="One line a run.", show_default=False)],
    loss: Annotated[str, typer.Option("--loss", metavar="COL", help="Column of the error.", show_default=False)],
    data: Annotated[str, typer.Option("--data", metavar="COL", help="Column of training rows.", show_default=False)],
    floor: Annotated[float, typer.Option(help="Error that no data removes; it is taken off.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the redrawn residuals.")] = 0,
    as_json: Json = False,
) -> None:
    """Fit one, two or three power laws to errors over training rows, and say where they break, or that no plateau is found."""
    with errors_shown(as_json):
        import numpy as np

        from mixval.errors import ContractError
        from mixval.scaling.runs import Named, read_runs
        from mixval.scaling.segments import find_breakpoints

        (runs,) = read_runs(table, Named(loss=loss, tokens=data))
        if runs.losses.min() <= floor:
            raise ContractError(
                f"--floor: expected less than the lowest error, {runs.losses.min():g}, found {floor:g}. Give a lower one, or "
                "leave it out."
            )
        found = find_breakpoints(runs.columns["tokens"], runs.losses - floor, np.random.default_rng(seed))
        if as_json:
            typer.echo(json.dumps(asdict(found), indent=2))
            return
        slopes = ", then ".join(f"{slope:.3g}" for slope in found.best.slopes)
        typer.echo(f"Slopes of log error over log rows: {slopes}.")
        for place, (low, high) in zip(found.best.breakpoints, found.intervals, strict=True):
            typer.echo(f"Breaks at {place:.4g} rows ({low:.4g} to {high:.4g}).")
        typer.echo("The middle piece is a plateau." if found.has_plateau else "No plateau found.")
