"""What the commands of a gate print: a table of deliveries, and why one of them was decided as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.config.policy import Action
from mixval.contracts.gate_run import DeliveryOutcome, GateRunSummary
from mixval.contracts.ingestion import Decision
from mixval.publish.gate_page.words import exit_words, lines, measured_words
from mixval.publish.names import visible

STYLES: dict[Action, str] = {"accept": "green", "quarantine": "yellow", "reject": "red"}
ROOMY = 100
"""Terminal columns from which a sentence stands beside its delivery; below it is under the table."""


def print_gate(summary: GateRunSummary, console: Console | None = None) -> None:
    """What was decided: a line a delivery, what could not be decided, what is no delivery, and where the report lies."""
    console = console or Console()
    console.print(f"[bold]{escape(summary.headline)}[/bold]")
    if summary.deliveries:
        print_deliveries(summary.deliveries, console)
    for name, reason in summary.failed.items():
        console.print(escape(f"Not decided, tried again by the next run: {visible(name)}: {visible(reason)}"), style="red")
    for name, reason in summary.ignored.items():
        console.print(escape(f"No delivery: {visible(name)}: {visible(reason)}"), style="dim")
    for words in summary.findings:
        console.print(escape(visible(words)), style="yellow")
    version = "no table yet" if summary.version is None else f"version {summary.version}"
    console.print(escape(f"Table: {summary.table}, {version}. {exit_words(summary)}".strip()), soft_wrap=True)
    if summary.run_id is not None:
        console.print(escape(f"Report: {summary.url}/report.html"), soft_wrap=True)


def print_deliveries(outcomes: Sequence[DeliveryOutcome], console: Console) -> None:
    """A line a delivery: outcome, contributor, file, rows, marginal value with its interval, and the sentence."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    roomy = console.width >= ROOMY
    for head in ("outcome", *(["contributor"] if roomy else []), "file"):
        table.add_column(head, overflow="fold")
    for head in ("rows", "marginal value", "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    if roomy:
        table.add_column("why", overflow="fold", ratio=1)
    shown = lines(outcomes)
    for one in shown:
        style = STYLES[one.action]
        named = (one.contributor, one.file) if roomy else (one.file,)
        numbers = (one.rows, one.value, one.interval)
        table.add_row(f"[{style}]{one.done}[/]", *map(escape, (*named, *numbers, *([one.sentence] if roomy else []))))
    console.print(table)
    for one in () if roomy else shown:
        console.print(escape(f"{one.file} ({one.key}): {one.sentence}"))


def waiting_text(decisions: Sequence[Decision]) -> str:
    """One delivery a paragraph: its name and digest, and the rule that stopped it."""
    if not decisions:
        return "Nothing waits in quarantine."
    rows = [f"{visible(one.name)} ({one.digest[:16]}), since {one.decided}\n    {visible(one.sentence)}" for one in decisions]
    return "\n".join(rows)


def ruled_text(outcome: DeliveryOutcome, config: Path) -> str:
    """What a person's word has done, and what comes next."""
    decision = outcome.decision
    said = f"{visible(decision.name)} ({decision.digest[:16]}): {visible(decision.sentence)}"
    if decision.action == "accept":
        return f"{said}\n{decision.measured.n_rows:,} rows are in version {outcome.version} of the table."
    return f"{said}\nNext: mixval gate {config}" if decision.action == "quarantine" else said


def explained(decision: Decision) -> str:
    """Which rule decided, with its numbers, and everything else that was measured, as text."""
    measured = decision.measured
    told = "by a person" if decision.decided_by == "person" else "by the policy"
    against = "an empty table" if measured.table_version is None else f"version {measured.table_version} of the table"
    rows = [
        f"{visible(decision.name)} of {visible(decision.contributor)} ({decision.digest[:16]}): {decision.action}, {told}",
        f"  rule: {visible(decision.rule)}",
        f"  {visible(decision.sentence)}",
        f"  decided {decision.decided}, attempt {decision.attempt}, against {against}",
        f"  rows: {measured.n_rows:,} to append, {measured.n_dropped:,} left out",
    ]
    rows += [f"  why: {visible(decision.why)}"] if decision.why else []
    rows += [f"  {words}" for words in measured_words(measured)]
    rows += [f"  refused by the row gate: {visible(measured.rejected)}"] if measured.rejected else []
    return "\n".join([*rows, f"  policy {decision.policy[:16]}{', in shadow mode' if decision.shadow else ''}"])
