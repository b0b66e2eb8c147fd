"""What `mixval scaling experiment` prints: what was found, or what a run would take."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from mixval.experiments.planning import ExperimentPlan
from mixval.experiments.results import ExperimentSummary
from mixval.experiments.words import findings, headline, setting
from mixval.publish.numerals import seconds


def print_experiment(summary: ExperimentSummary, console: Console | None = None) -> None:
    """The sentences of the page, and where it lies."""
    console = console or Console()
    figures = summary.figures
    console.print(f"[bold]{escape(headline(figures))}[/bold]")
    console.print(escape(setting(figures)))
    for one in figures.weightings:
        console.print(f"[bold]The {escape(one.name)} error[/bold]")
        for line in findings(figures, one):
            console.print(escape(line))
    console.print(f"{summary.n_trained} trainings run, {summary.n_found} reused.")
    console.print(escape(f"Page: {summary.url}/report.html"), soft_wrap=True)


def print_plan(plan: ExperimentPlan, console: Console | None = None) -> None:
    """Trainings, operations and time, and what they rest on."""
    console = console or Console()
    console.print(f"{plan.n_trainings} trainings, of which {plan.n_found} are there already.")
    console.print(f"{plan.row_passes:,} passes of a row, forwards and backwards: {plan.teraflops:,.3g} teraflops.")
    encoding = f"{plan.seconds_an_encoded_row:.2g} s for each of {plan.encoded_rows:,} rows to encode"
    paces = f"{plan.seconds_a_row:.2g} s a pass and {encoding}"
    duration = seconds(3600 * plan.hours)
    console.print(f"Time: about {duration} on {plan.n_workers} workers, at {paces}, as just measured here.")
