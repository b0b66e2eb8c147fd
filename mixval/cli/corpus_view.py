"""Corpus statistics on a terminal: a table of corpora, one a target, and what could not be counted."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.publish.names import shortened, visible
from mixval.publish.numerals import MINUS, count, percent

NAME_LIMIT = 30
ROOMY = 130
"""Terminal columns from which numbers have their intervals."""
STATISTICS = {
    "zipf": "Zipf s",
    "missing_mass": "missing",
    "distinct_2": "distinct 2",
    "next_token_concentration": "repeats",
    "compression_ratio": "deflate",
}
DISTANCES = {"kl": "KL", "kl_floor": "by size", "js": "JS", "token_coverage": "covered"}


def print_corpora(document: dict[str, Any], console: Console | None = None) -> None:
    """A table of distances a target, one of statistics, and what could not be counted."""
    console = console or Console()
    roomy = console.width >= ROOMY
    level, equal = percent(document["level"]), count(document["equal_tokens"])
    for target in document["targets"]:
        view = _grid(
            f"To {shortened(target, NAME_LIMIT)}: KL and JS in nats a token", [*DISTANCES.values(), "gaps", "of its loss"]
        )
        for one in document["corpora"]:
            if target in one["targets"]:
                found, lacking = one["targets"][target], one["gaps"][target]
                cells = [number_words(found.get(name), roomy) for name in DISTANCES]
                view.add_row(_name(one), *cells, count(lacking["n_gaps"]), percent(lacking["loss_share"]))
        console.print(view)
    title = f"Corpora: {f'intervals at {level}, ' if roomy else ''}distinct pairs a token in {equal} tokens"
    table = _grid(title, ["documents", "tokens", *STATISTICS.values()] if roomy else ["tokens", *STATISTICS.values()])
    for one in document["corpora"]:
        numbers = [number_words(one["statistics"].get(name), roomy) for name in STATISTICS]
        documents = [count(one["n_documents"])] if roomy else []
        table.add_row(_name(one), *documents, count(one["n_tokens"]), *numbers)
    console.print(table)
    for one in document["failed"]:
        console.print(escape(f"Not counted: {visible(one['name'])}: {visible(one['reason'])}"), style="red")


def number_words(found: dict[str, float | None] | None, with_interval: bool) -> str:
    """`0.513`, or `0.513 (0.483 to 0.543)`."""
    if not found or found["value"] is None:
        return "cannot tell"
    value, *ends = (None if found[key] is None else f"{found[key]:.3g}".replace("-", MINUS) for key in ("value", "low", "high"))
    return f"{value} ({ends[0]} to {ends[1]})" if with_interval and ends[0] is not None else str(value)


def _name(one: dict[str, Any]) -> str:
    words = shortened(one["name"], NAME_LIMIT)
    if one["is_target"]:
        words += " (target)"
    return escape(words if one["part"] == "all" else f"  {words}, {one['part']}")


def _grid(title: str, heads: list[str]) -> Table:
    view = Table(
        title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim"
    )
    view.add_column("corpus", overflow="fold")
    for head in heads:
        view.add_column(head, justify="right", no_wrap=True)
    return view
