"""What `mixval synthesize` prints: what became of the planned rows and how to use them, or what a run would take."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.publish.names import visible
from mixval.synthesis.estimating import Estimate
from mixval.synthesis.publishing import SynthesisSummary


def print_synthesis(summary: SynthesisSummary, console: Console | None = None) -> None:
    """Counts by reason, where the rows lie, and the lines of a configuration that value them."""
    console = console or Console()
    console.print(f"[bold]{escape(summary.headline)}[/bold]")
    if summary.dropped or summary.failed:
        table = Table(title_justify="left")
        for name in ("rows", "reason", "n"):
            table.add_column(name, justify="right" if name == "n" else "left", overflow="fold")
        for reason, n in summary.dropped.items():
            table.add_row("dropped", escape(reason), f"{n:,}")
        for reason, n in summary.failed.items():
            table.add_row("failed", escape(visible(reason)), f"{n:,}", style="red")
        console.print(table)
    asked = f"{summary.n_asked:,} requests asked, {summary.n_reused:,} reused from the journal"
    console.print(f"{asked}; {summary.prompt_tokens:,} tokens of prompts, {summary.completion_tokens:,} of answers.")
    if summary.n_failed:
        console.print(escape(f"Failed rows are asked again by the next run. They are listed in {summary.failed_url}"))
    if summary.dropped.get("cut"):
        console.print(
            "Answers were cut: raise sampling.max_tokens; those alone are asked anew. Or keep them: filters.cut: false."
        )
    if summary.n_dropped:
        console.print(escape(f"Dropped rows, each with its match: {summary.dropped_url}"), soft_wrap=True)
    if summary.n_kept:
        name = escape(visible(summary.generator))
        console.print(escape(f"Rows: {summary.rows_url}"), soft_wrap=True)
        console.print(f"Value them as a contributor: source: {{contributors: {{{name}: {summary.rows_url}}}}}", soft_wrap=True)
    else:
        console.print("No row is left to use.", style="red")


def print_estimate(estimate: Estimate, console: Console | None = None) -> None:
    """Requests, tokens, cost and hours, and what they rest on."""
    console = console or Console()
    console.print(
        f"{estimate.n_requests:,} requests for {estimate.n_documents:,} documents: {estimate.n_answered:,} are answered in the "
        f"journal, {estimate.n_open:,} would be asked."
    )
    console.print(
        f"Tokens of prompts about {estimate.prompt_tokens:,}, of answers about {estimate.completion_tokens:,} "
        f"(at most {estimate.most_completion_tokens:,})."
    )
    console.print("Cost: " + ("not known" if estimate.cost is None else f"about {estimate.cost:,.2f}"))
    console.print("Time: " + ("not known" if estimate.hours is None else f"about {estimate.hours:,.2f} hours"))
    for words in estimate.basis:
        console.print(escape(words), style="dim")
