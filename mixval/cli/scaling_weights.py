"""`mixval scaling weights`: loss as a function of mixture weights, and the mixture that it proposes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.options import Json


def weights(
    table: Annotated[
        Path, typer.Argument(metavar="RUNS.csv", help="One line a run, with a column of weight a source.", show_default=False)
    ],
    loss: Annotated[str, typer.Option("--loss", metavar="COL", help="Column of the loss.", show_default=False)],
    prefix: Annotated[
        str, typer.Option("--prefix", help="What the columns of weights begin with, as train_.", show_default=False)
    ],
    seed: Annotated[int, typer.Option("--seed", help="Seed of the mixtures that are tried.")] = 0,
    as_json: Json = False,
) -> None:
    """Fit the loss to the weights of sources in small runs, and propose the mixture with the lowest."""
    with errors_shown(as_json):
        import numpy as np

        from mixval.scaling.mixture_weights import fit_weights, propose
        from mixval.scaling.runs import read_weights

        names, given, losses = read_weights(table, loss, prefix)
        models = fit_weights(given, losses)
        best = propose(models[0], given, np.random.default_rng(seed))
        document = {
            "models": [{"model": one.name, "left_out_error": one.left_out_error} for one in models],
            "proposal": [
                {"source": name, "weight": float(middle), "low": float(low), "high": float(high)}
                for name, middle, low, high in zip(names, best.weights, best.low, best.high, strict=True)
            ],
            "loss": best.loss,
            "lowest_loss_of_a_run": float(losses.min()),
        }
        if as_json:
            typer.echo(json.dumps(document, indent=2))
            return
        for one in models:
            typer.echo(f"{one.name}: {one.left_out_error:.2%} off for runs left out")
        typer.echo(f"Proposed by {models[0].name}, loss {best.loss:.4f} (lowest of a run: {losses.min():.4f}):")
        for name, middle, low, high in zip(names, best.weights, best.low, best.high, strict=True):
            typer.echo(f"  {name}: {middle:.1%} ({low:.1%} to {high:.1%} among the best)")
