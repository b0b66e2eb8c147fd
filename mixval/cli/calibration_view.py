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
    console.print(escape(_fit_words(summary)))
    console.print(escape(f"{summary.n_trained} trainings run, {summary.n_found} reused."))
    for name, reason in summary.failed.items():
        console.print(escape(f"Failed and left out: {visible(name)}: {visible(reason)}"))
    console.print(escape(f"value: {{method: eq8, weights: fitted, fitted_weights: {summary.url}}}"), soft_wrap=True)


def _fit_words(summary: CalibrationSummary) -> str:
    of = f"{summary.n_contributors} contributors, {summary.n_seeds} seed(s)"
    if summary.spearman is None:
        return (
            f"{of}: the predicted values of left-out contributors, or their training results, do not vary, so the fit "
            "cannot be checked."
        )
    interval = f"{summary.spearman_low:.2f} to {summary.spearman_high:.2f} at {summary.confidence:.0%}"
    return (
        f"{of}: Spearman correlation of predicted values with training results, over left-out contributors: "
        f"{summary.spearman:.2f} ({interval})."
    )
