"""The ranking on a terminal. Names are data: markup in them is escaped, control characters are spelt out."""

from __future__ import annotations

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.contracts.terms import TERMS
from mixval.publish.coalition_values import first_taken
from mixval.publish.names import listed, shortened
from mixval.publish.numerals import compact, count, percent, signed
from mixval.publish.ranking import interval_words, ranking_rows, tie_labels, value_decimals, weighted_decimals
from mixval.publish.value_kind import kind_of

VALUE_COLUMNS = 72
"""Terminal columns that a ranking takes without weighted parts. Where both fit side by side, the parts have no table of their
own."""
SHAPLEY_COLUMNS = 10
"""More of them where there are coalition values: their ranks."""
NATS_COLUMNS = 80
"""Terminal columns that a value in nats takes without its Shapley rank."""
NUMBER_COLUMNS = 7
"""Of a weighted part."""
NAME_LIMIT = 32
TIE_STYLES = ("cyan", "magenta", "yellow", "green", "blue")


def print_ranking(table: pa.Table, rejected: pa.Table, console: Console, coalitions: pa.Table | None = None) -> None:
    """Print the ranking, its ties, the first steps of the greedy search, and which contributors were rejected and why."""
    if table.num_rows:
        fits = console.width >= _wide_columns() + (0 if coalitions is None else SHAPLEY_COLUMNS)
        adds = kind_of(table).adds_terms
        wide = fits and adds
        in_one = wide if adds else console.width >= NATS_COLUMNS + SHAPLEY_COLUMNS
        console.print(_values(table, wide, coalitions if in_one else None))
        if not wide:
            console.print(_parts(table, None if in_one else coalitions))
        _print_ties(table, console)
        if coalitions is not None:
            _print_coalitions(coalitions, console)
    else:
        console.print("[bold]No contributor was ranked.[/bold]")
    if rejected.num_rows:
        console.print(_refused(rejected))


def _wide_columns() -> int:
    """Terminal columns that the ranking takes with the weighted parts: of each its name, or a number, and a gap."""
    return VALUE_COLUMNS + sum(max(len(term), NUMBER_COLUMNS) + 2 for term in TERMS)


def _values(table: pa.Table, with_parts: bool, coalitions: pa.Table | None) -> Table:
    kind = kind_of(table)
    view = _grid("Contributors by their value for the target set" + ("" if kind.adds_terms else f": {kind.axis}"))
    view.add_column("rank", justify="right", style="bold", no_wrap=True)
    if coalitions is not None:
        view.add_column("shapley", justify="right", no_wrap=True)
    view.add_column("contributor", no_wrap=True)
    view.add_column(kind.head, justify="right", style="bold", no_wrap=True)
    view.add_column("interval", justify="right", style="dim", no_wrap=True)
    view.add_column("tied", justify="center", no_wrap=True)
    for term in TERMS if with_parts else ():
        view.add_column(term, justify="right", no_wrap=True)
    view.add_column("rows", justify="right", no_wrap=True)
    view.add_column("real", justify="right", no_wrap=True)
    labels, decimals = tie_labels(table), value_decimals(table)
    order = list(labels)
    for shown, row in zip(ranking_rows(table, coalitions), table.to_pylist(), strict=True):
        group = row["tie_group"]
        style = TIE_STYLES[order.index(group) % len(TIE_STYLES)] if group in labels else "dim"
        parts = [_coloured(row[f"weighted_{term}"], decimals) for term in TERMS] if with_parts else []
        view.add_row(
            str(shown["rank"]),
            *([] if coalitions is None else [str(shown["shapley rank"])]),
            escape(shortened(row["contributor"], NAME_LIMIT)),
            str(shown[kind.head]),
            interval_words(row["value_low"], row["value_high"], decimals),
            f"[{style}]{labels.get(group, '·')}[/{style}]",
            *parts,
            count(row["n_rows"]),
            percent(row["real_share"]),
        )
    return view


def _parts(table: pa.Table, coalitions: pa.Table | None) -> Table:
    adds = kind_of(table).adds_terms
    view = _grid("What each term adds to the value" if adds else "For comparison: what each term adds to Eq. 8's value")
    view.add_column("contributor", no_wrap=True)
    for term in TERMS:
        view.add_column(term, justify="right", no_wrap=True)
    if coalitions is not None:
        view.add_column("shapley", justify="right", no_wrap=True)
    decimals = weighted_decimals(table)
    for shown, row in zip(ranking_rows(table, coalitions), table.to_pylist(), strict=True):
        parts = [_coloured(row[f"weighted_{term}"], decimals) for term in TERMS]
        rank = [] if coalitions is None else [str(shown["shapley rank"])]
        view.add_row(escape(shortened(row["contributor"], NAME_LIMIT)), *parts, *rank)
    return view


def _print_ties(table: pa.Table, console: Console) -> None:
    labels = tie_labels(table)
    if labels:
        console.print("[dim]tied: contributors with the same letter cannot be told apart at the configured confidence.[/dim]")
    if None in table["value_low"].to_pylist():
        console.print("[dim]No intervals: differences cannot be compared with sampling noise.[/dim]")


def _print_coalitions(coalitions: pa.Table, console: Console) -> None:
    console.print("[dim]shapley: rank by Shapley value, the mean marginal contribution over all orders.[/dim]")
    names, value = first_taken(coalitions)
    if len(names) > 1:
        order = escape(listed(names, len(names), NAME_LIMIT))
        console.print(f"Greedy search, adding the best next contributor: {order}; value together {compact(value)}.")


def _refused(rejected: pa.Table) -> Table:
    view = _grid("Not ranked")
    view.add_column("contributor", no_wrap=True)
    view.add_column("verdict", style="red", no_wrap=True)
    view.add_column("rows", justify="right", no_wrap=True)
    view.add_column("reason", overflow="fold", ratio=1)
    for row in rejected.to_pylist():
        rows = f"{count(row['count'])} of {count(row['n_checked'])}"
        reason = escape(shortened(row["reason"], 400))
        view.add_row(escape(shortened(row["contributor"], NAME_LIMIT)), escape(row["verdict"]), rows, reason)
    return view


def _grid(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")


def _coloured(part: float, decimals: int) -> str:
    text = signed(part, decimals)
    style = "green" if text.startswith("+") else "red" if text != text.strip("\u2212") else "dim"
    return f"[{style}]{text}[/{style}]"
