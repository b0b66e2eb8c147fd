"""What `mixval calibrate` prints when it is done: the weights, their cross-validated fit, and how to use them."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.evidence.calibration_results import CalibrationSummary
from mixval.publish.names import visible


def print_calibration(summary: CalibrationSummary, console: Console | None = None) -> None:
    """Weights as a table, the cross-validated rank correlation, what failed, and the lines for a configuration."""
    console = console or Console()
    table = Table(title="Fitted weights", title_justify="left")
    table.add_column("term")
    table.add_column("weight", justify="right")
    for term, weight in summary.weights.items():
        table.add_row(term, f"{weight:.4g}")
    console.print(table)
    console.print(escape(summary.fit_in_words))
    console.print(escape(summary.trained_in_words))
    for name, reason in summary.failed.items():
        console.print(escape(f"Failed and left out: {visible(name)}: {visible(reason)}"))
    console.print(escape(summary.use), soft_wrap=True)
