"""The ranking on a terminal. Names are data: markup in them is escaped, control characters are spelt out."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mixval.contracts.results import CANNOT_SAY, LEAVE, TAKE
from mixval.contracts.terms import TERMS
from mixval.publish.coalition_values import CoalitionValues, coalition_values
from mixval.publish.greedy_words import greedy_sentence
from mixval.publish.group_values import run_group_lines
from mixval.publish.names import shortened
from mixval.publish.numerals import count, signed
from mixval.publish.part_values import run_lines
from mixval.publish.ranking import adds_anything, ranking_rows, tie_labels, value_decimals, weighted_decimals
from mixval.publish.results import ValuationResults
from mixval.publish.value_kind import kind_of, kind_of_row
from mixval.publish.verdict_words import NOTHING_ADDED, TIES, buyer_sentences, headline, is_ordered, verdicts_in_words
from mixval.publish.warning_words import IN_REPORT, warning_lines

NAME_LIMIT = 120
"""Characters of a name; a longer one is shortened in its middle. Where a column is narrower, a name runs over several lines."""
NAME_COLUMNS = 32
"""Terminal columns that a name is given where they are there."""
GAP = 3
"""Terminal columns between two cells, and at most as many at the edges."""
MOST_SENTENCES = 20
"""Contributors up to which each has its sentence; `mixval explain` has it for all."""
VERDICT_STYLES = {TAKE: "green", LEAVE: "red", CANNOT_SAY: "yellow"}
_COLUMNS: dict[str, tuple[Literal["left", "right", "center"], str]] = {
    "rank": ("right", "bold"),
    "contributor": ("left", ""),
    "verdict": ("left", ""),
    "value": ("right", "bold"),
    "interval": ("right", "dim"),
    "tied": ("center", ""),
    "shapley": ("right", ""),
    "rows": ("right", ""),
    "real": ("right", ""),
}
"""Column -> justification and style."""
_FIRST_TO_GO = ("real", "rows", "shapley", "interval", "tied", "rank")
"""Where a terminal is narrow. The others stay, and run over."""
MOST_NEEDED = 3
"""Contributor, verdict, value."""
NARROW = 72
"""Terminal columns that a table with reasons needs."""
_NO_PART = "Eq. 8's terms, for comparison: no part of the value"
TIE_STYLES = ("cyan", "magenta", "yellow", "green", "blue")


def print_ranking(run: ValuationResults, console: Console) -> None:
    """Print what the ranking says and the worst warnings, then the ranking, a sentence a contributor, and which contributors
    were rejected and why."""
    table, rejected = run.ranking, run.rejected
    console.print(f"[bold]{escape(headline(table).plain())}[/bold]")
    if table.num_rows:
        console.print(escape(verdicts_in_words(table).plain()))
    for line in warning_lines(run.manifest.warnings, IN_REPORT):
        console.print(escape(line), style="yellow")
    if table.num_rows:
        console.print()
        view = _values(table, run.coalitions if is_ordered(table) else None, console.width)
        console.print(view)
        _print_notes(table, console, "shapley" in [column.header for column in view.columns])
        _print_sentences(table, console)
        _print_parts(table, console)
        found = coalition_values(table, run.coalitions, run.redundancy)
        if found is not None and is_ordered(table):
            _print_coalitions(found, value_decimals(table), console)
        decimals = value_decimals(table)
        for line in [*run_lines(run, decimals), *run_group_lines(run.groups, decimals)]:
            console.print(escape(line))
    if rejected.num_rows:
        _print_refused(rejected, console)


def _values(table: pa.Table, coalitions: pa.Table | None, width: int) -> Table:
    """The ranking in as many columns as the terminal has room for; those at its end are left out first."""
    kind, labels = kind_of(table), tie_labels(table)
    title = "Contributors by their value for the target set" if is_ordered(table) else "Not ranked; contributors by name"
    cells = [_cells(shown, row, labels) for shown, row in zip(ranking_rows(table, coalitions), table.to_pylist(), strict=True)]
    heads = [head for head in _COLUMNS if head in cells[0]]
    while len(heads) > MOST_NEEDED and sum(_width(head, kind.head, cells) + GAP for head in heads) > width:
        heads.remove(next(head for head in _FIRST_TO_GO if head in heads))
    view = _grid(title + ("" if kind.adds_terms else f": {kind.axis}"))
    for head in heads:
        shown = kind.head if head == "value" else head
        folds = head == "contributor"
        view.add_column(shown, justify=_COLUMNS[head][0], style=_COLUMNS[head][1], no_wrap=not folds, overflow="fold")
    for line in cells:
        view.add_row(*(line[head] for head in heads))
    return view


def _cells(shown: dict[str, str | int], row: dict[str, Any], labels: dict[int, str]) -> dict[str, str]:
    """Column -> cell, as markup."""
    group, order = row["tie_group"], list(labels)
    style = TIE_STYLES[order.index(group) % len(TIE_STYLES)] if group in labels else "dim"
    found = {
        "contributor": escape(shortened(row["contributor"], NAME_LIMIT)),
        "verdict": f"[{VERDICT_STYLES[row['verdict']]}]{row['verdict']}[/]",
        "value": str(shown[kind_of_row(row).head]),
        "interval": str(shown["interval"]),
        "rows": count(row["n_rows"]),
        "real": str(shown["real"]),
    }
    if "rank" in shown:
        found |= {"rank": str(shown["rank"]), "tied": f"[{style}]{labels.get(group, '·')}[/{style}]"}
    return found | ({"shapley": str(shown["shapley rank"])} if "shapley rank" in shown else {})


def _width(head: str, of_value: str, cells: list[dict[str, str]]) -> int:
    found = max(len(of_value if head == "value" else head), *(Text.from_markup(line[head]).cell_len for line in cells))
    return min(found, NAME_COLUMNS) if head == "contributor" else found


def _print_parts(table: pa.Table, console: Console) -> None:
    """What each term adds: a table, or a paragraph a contributor where the terminal is too narrow for it."""
    title = "What each term adds to the value" if kind_of(table).adds_terms else _NO_PART
    if not adds_anything(table):
        console.print(f"{NOTHING_ADDED}\n")
        return
    decimals, rows = weighted_decimals(table), table.to_pylist()
    names = [escape(shortened(row["contributor"], NAME_LIMIT)) for row in rows]
    parts = [{term: _coloured(row[f"weighted_{term}"], decimals) for term in TERMS} for row in rows]
    needed = sum(GAP + max(len(term), *(Text.from_markup(one[term]).cell_len for one in parts)) for term in TERMS)
    if console.width < needed + GAP + min(NAME_COLUMNS, max(len(name) for name in names)):
        console.print(f"[bold]{title}[/bold]")
        for name, one in zip(names, parts, strict=True):
            console.print(f"{name}: {', '.join(f'{term} {part}' for term, part in one.items())}")
        console.print()
        return
    view = _grid(title)
    view.add_column("contributor", overflow="fold")
    for term in TERMS:
        view.add_column(term, justify="right", no_wrap=True)
    for name, one in zip(names, parts, strict=True):
        view.add_row(name, *one.values())
    console.print(view)


def _print_notes(table: pa.Table, console: Console, has_shapley: bool) -> None:
    if tie_labels(table):
        console.print(f"[dim]tied: {TIES}[/dim]")
    if has_shapley:
        console.print("[dim]shapley: rank by Shapley value, the mean marginal contribution over all orders.[/dim]")


def _print_sentences(table: pa.Table, console: Console) -> None:
    """One sentence a contributor, where there are few."""
    if table.num_rows > MOST_SENTENCES or not kind_of(table).has_empty:
        return
    console.print()
    sentences = buyer_sentences(table, value_decimals(table))
    for name, sentence in zip(table["contributor"].to_pylist(), sentences, strict=True):
        console.print(escape(f"{shortened(name, NAME_LIMIT)}: {sentence}"))
    console.print()


def _print_coalitions(found: CoalitionValues, decimals: int, console: Console) -> None:
    if found.greedy:
        console.print(escape(greedy_sentence(found, decimals).plain()))


def _print_refused(rejected: pa.Table, console: Console) -> None:
    """Who has no value and why: a table, or a paragraph a contributor where the terminal is too narrow for it."""
    if console.width >= NARROW:
        console.print(_refused(rejected))
        return
    console.print("[bold]Without a value[/bold]")
    for row in rejected.to_pylist():
        name = escape(shortened(row["contributor"], NAME_LIMIT))
        console.print(f"{name}: {escape(row['verdict'])}: {escape(shortened(row['reason'], 400))}")


def _refused(rejected: pa.Table) -> Table:
    view = _grid("Without a value")
    view.add_column("contributor", overflow="fold")
    view.add_column("verdict", style="red", no_wrap=True)
    view.add_column("violations", justify="right", overflow="fold")
    view.add_column("reason", overflow="fold", ratio=1)
    for row in rejected.to_pylist():
        broken = f"{count(row['count'])} of {count(row['n_checked'])}"
        reason = escape(shortened(row["reason"], 400))
        view.add_row(escape(shortened(row["contributor"], NAME_LIMIT)), escape(row["verdict"]), broken, reason)
    return view


def _grid(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")


def _coloured(part: float, decimals: int) -> str:
    text = signed(part, decimals)
    style = "green" if text.startswith("+") else "red" if text != text.strip("\u2212") else "dim"
    return f"[{style}]{text}[/{style}]"
