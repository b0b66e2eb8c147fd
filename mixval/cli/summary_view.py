"""What `mixval value` prints when it is done: the ranking, rejected contributors, and the URL of the report."""

from rich.console import Console
from rich.markup import escape

from mixval.contracts.run import RunSummary
from mixval.publish.stored_run import open_run
from mixval.publish.terminal import print_ranking
from mixval.publish.warning_words import warning_words


def print_summary(summary: RunSummary, console: Console | None = None) -> None:
    """The ranking as a table, what was computed and what was reused, and the URL of the report."""
    console = console or Console()
    stored = open_run(summary.url)
    print_ranking(stored, console)
    console.print(escape(_work(summary)))
    for one in summary.warnings:
        if one not in stored.manifest.warnings:  # found when the run was published
            console.print(escape(f"{one.severity}: {warning_words(one)}"), soft_wrap=True)
    console.print(escape(f"Report: {summary.url}/report.html"), soft_wrap=True)


def _work(summary: RunSummary) -> str:
    if summary.up_to_date:
        return f"Nothing has changed since run {summary.run_id}: nothing was recomputed, its results are current."
    made, found = sum(summary.recomputed.values()), sum(summary.reused.values())
    names = summary.recomputed_contributors
    who = f" Measured again: {', '.join(names)}." if found and 0 < len(names) <= 5 else ""
    seconds = sum(summary.timings_seconds.values())
    return f"{made} artifacts computed, {found} reused, {seconds:.0f} s.{who}"
