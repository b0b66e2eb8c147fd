"""Corpus statistics on a terminal: a table of corpora, one a target, and what could not be counted."""

from __future__ import annotations

import re
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.publish.names import shortened, visible
from mixval.publish.numerals import MINUS, count, percent

NAME_LIMIT = 30
NAME_WIDTH = 18
"""Of a line of a name on a narrow terminal."""
ROOMY = 130
"""Terminal columns from which numbers have their intervals."""
STATISTICS = {
    "zipf": "Zipf s",
    "missing_mass": "missing",
    "distinct_2": "pairs",
    "next_token_concentration": "repeats",
    "compression_ratio": "deflate",
}
DISTANCES = {"kl": "KL", "kl_floor": "size's", "js": "JS", "token_coverage": "covered"}


def print_corpora(document: dict[str, Any], console: Console | None = None) -> None:
    """A table of distances a target, one of statistics, and what could not be counted."""
    console = console or Console()
    roomy = console.width >= ROOMY
    level, equal = percent(document["level"]), count(document["equal_tokens"])
    for target in document["targets"]:
        view = _grid(f"To {shortened(target, NAME_LIMIT)}: KL and JS in nats a token", [*DISTANCES.values(), "gaps", "of loss"])
        for one in document["corpora"]:
            if target in one["targets"]:
                found, lacking = one["targets"][target], one["gaps"][target]
                cells = [number_words(found.get(name), roomy) for name in DISTANCES]
                view.add_row(_name(one, roomy), *cells, count(lacking["n_gaps"]), percent(lacking["loss_share"]))
        console.print(view)
    title = f"Corpora: {f'intervals at {level}, ' if roomy else ''}distinct pairs a token in {equal} tokens"
    table = _grid(title, ["documents", "tokens", *STATISTICS.values()] if roomy else ["tokens", *STATISTICS.values()])
    for one in document["corpora"]:
        numbers = [number_words(one["statistics"].get(name), roomy) for name in STATISTICS]
        documents = [count(one["n_documents"])] if roomy else []
        table.add_row(_name(one, roomy), *documents, count(one["n_tokens"]), *numbers)
    console.print(table)
    for one in document["failed"]:
        console.print(escape(f"Not counted: {visible(one['name'])}: {visible(one['reason'])}"), style="red")


def number_words(found: dict[str, float | None] | None, with_interval: bool) -> str:
    """`0.513`, or `0.513 (0.483 to 0.543)`."""
    if not found or found["value"] is None:
        return "cannot tell"
    value, *ends = (None if found[key] is None else f"{found[key]:.3g}".replace("-", MINUS) for key in ("value", "low", "high"))
    return f"{value} ({ends[0]} to {ends[1]})" if with_interval and ends[0] is not None else str(value)


def _name(one: dict[str, Any], roomy: bool) -> str:
    """The whole name, broken after its own signs where a terminal is narrow."""
    words = visible(one["name"])
    words += " (target)" if one["is_target"] else "" if one["part"] == "all" else f", {one['part']}"
    return escape(words if roomy else "\n".join(broken(words, NAME_WIDTH)))


def broken(words: str, width: int) -> list[str]:
    """Lines of at most `width` letters, broken after a space or a slash where there is one."""
    lines = [""]
    for word in re.findall(r"[^ /]*[ /]?", words):
        for piece in (word[at : at + width] for at in range(0, len(word), width)):
            if len(lines[-1]) + len(piece.rstrip()) > width:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines if line]


def _grid(title: str, heads: list[str]) -> Table:
    view = Table(
        title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim"
    )
    view.add_column("corpus", no_wrap=True)
    for head in heads:
        view.add_column(head, justify="right", no_wrap=True)
    return view
