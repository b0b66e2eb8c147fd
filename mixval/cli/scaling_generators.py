"""`mixval scaling generators`: where mixed data bends under each way in which synthetic data departs from real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.options import Json
from mixval.errors import ConfigError

if TYPE_CHECKING:
    from mixval.scaling.generators import Compared


def generators(
    real: Annotated[float, typer.Option(help="Share of real data, between 0 and 1.", show_default=False)],
    cut: Annotated[int, typer.Option(help="The rank at which the generators are matched.", show_default=False)],
    beta: Annotated[float, typer.Option(help="Exponent of Zipf's law: piece i has the share i^-beta.")] = 2.0,
    items: Annotated[int | None, typer.Option(help="Pieces there are. Default: infinitely many.", show_default=False)] = None,
    counts: Annotated[
        Path | None,
        typer.Option(help="Counts of pieces in real data, one a line, in place of Zipf's law.", show_default=False),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the curves to this .svg file.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Say what mixed rows are worth in real ones, and where that changes, for a cut, a finite sample and a temperature."""
    with errors_shown(as_json):
        from mixval.cli.scaling_phases import read_counts
        from mixval.scaling.generators import compare, compare_shares
        from mixval.scaling.tail_counts import shares

        if plot is not None and plot.suffix != ".svg":
            raise ConfigError(f"--plot: expected a file that ends in .svg, found {plot}. Rename it.")
        p = None if counts is None else shares(read_counts(counts))
        found = compare(beta, cut, real, items) if p is None else compare_shares(p, cut, real)
        if plot is not None:
            from mixval.publish.scaling.exchange_chart import exchange_chart

            plot.write_text(exchange_chart(found), encoding="utf-8")
        lines = [_document(one) for one in found]
        typer.echo(json.dumps(lines, indent=2) if as_json else "\n".join(_sentence(one) for one in found))


def _document(one: Compared) -> dict[str, Any]:
    found = one.found
    return {
        "generator": one.kind,
        "at": one.at,
        "pieces": one.n_items,
        "lowest_exchange": found.lowest,
        "lowest_at": found.lowest_at,
        "first": found.first,
        "second": found.second,
        "turn": found.turn,
        "first_over_formula": None if found.first is None else found.first / one.first,
        "second_over_formula": None if found.second is None else found.second / one.second,
        "turn_over_formula": None if found.turn is None else found.turn / one.second,
    }


def _sentence(one: Compared) -> str:
    found = one.found
    worth = (
        f"{one.words}: one per cent more rows is worth {found.lowest:.2g} % of real ones at least ({found.lowest_at:.3g} rows)"
    )
    if found.first is not None and found.second is not None:
        ends = f"{found.first / one.first:.2f} k^beta and {found.second / one.second:.2f} k^beta / pi"
        return f"{worth}; below one half from {found.first:.4g} to {found.second:.4g}, {ends}"
    if found.turn is None:
        return f"{worth}; it never comes back within {found.n[-1]:.3g} rows"
    where = f"{found.turn:.4g} rows, {found.turn / one.second:.2f} k^beta / pi"
    return f"{worth}; no plateau, one bend at {where}"
