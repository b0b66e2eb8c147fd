"""What `mixval scaling study` prints: what was found, or what a run would take."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.experiments.study.planning import StudyPlan
from mixval.experiments.study.results import StudySummary
from mixval.experiments.study.words import cautions, findings, headline, setting
from mixval.publish.numerals import compact, seconds


def print_study(summary: StudySummary, console: Console | None = None) -> None:
    """The sentences of the page, and where it lies."""
    console = console or Console()
    figures = summary.figures
    console.print(f"[bold]{escape(headline(figures))}[/bold]")
    console.print(escape(setting(figures)))
    for line in cautions(figures):
        console.print(escape(f"note: {line}"), style="yellow")
    for one in findings(figures):
        console.print(f"[bold]{escape(one.question)}[/bold]: {escape(one.here)}")
        if one.paper:
            console.print(escape(f"  in the paper: {one.paper}"), style="dim")
    console.print(f"{summary.n_trained} trainings run, {summary.n_found} reused.")
    console.print(escape(f"Page: {summary.url}/report.html"), soft_wrap=True)


def print_plan(plan: StudyPlan, console: Console | None = None) -> None:
    """Trainings, operations and time, and what they rest on."""
    console = console or Console()
    console.print(f"{plan.n_trainings} trainings, of which {plan.n_found} are there already: {plan.exaflops:.3g} exaflops.")
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    view.add_column("size")
    for head in ("parameters", "with embedding", "tokens", "exaflops", "tokens a day"):
        view.add_column(head, justify="right")
    for one in plan.sizes:
        counts = (f"{one.params:,}", f"{one.params_with_embedding:,}", f"{one.tokens:,}")
        view.add_row(escape(one.name), *counts, f"{one.exaflops:.3g}", compact(one.tokens_a_day))
    console.print(view)
    for name, n in plan.tokens.items():
        passes = plan.most_epochs.get(name)
        told = "" if passes is None else f", gone through {passes:.2f} times at most"
        console.print(escape(f"{name}: about {n:,} tokens{told}"))
    rests = "as just measured here" if plan.is_measured else "as `tokens_a_day` states"
    console.print(f"Time: about {seconds(3600 * plan.hours)} on {plan.n_workers} workers, {rests}; operations are 6 N a token.")
