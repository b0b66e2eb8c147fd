"""What `mixval value` prints when it is done: the ranking, what was refused, and where everything lies."""

from rich.console import Console
from rich.markup import escape

from mixval.contracts.run import RunSummary
from mixval.publish.stored_run import open_run
from mixval.publish.terminal import print_ranking


def print_summary(summary: RunSummary, console: Console | None = None) -> None:
    """The ranking as a table, what was computed and what was found, and the way to the report."""
    console = console or Console()
    stored = open_run(summary.url)
    print_ranking(stored.ranking, stored.rejected, console, stored.coalitions)
    console.print(escape(_work(summary)))
    console.print(escape(f"Report: {summary.url}/report.html"), soft_wrap=True)


def _work(summary: RunSummary) -> str:
    if summary.up_to_date:
        return f"Nothing has changed since run {summary.run_id}: nothing was recomputed, its results stand."
    made, found = sum(summary.recomputed.values()), sum(summary.reused.values())
    names = summary.recomputed_contributors
    who = f" Measured anew: {', '.join(names)}." if found and 0 < len(names) <= 5 else ""
    seconds = sum(summary.timings_seconds.values())
    return f"{made} artifacts computed, {found} found as they were, {seconds:.0f} s.{who}"
