"""What Prefect shows of a run: progress, the ranking or the fitted weights as a table, a link to the report."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pyarrow as pa
from httpx import HTTPError
from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException

from mixval import stopping
from mixval.contracts.gate_run import GateRunSummary
from mixval.contracts.run import RunSummary
from mixval.evidence.calibration_results import CalibrationSummary
from mixval.publish.gate_page.words import lines
from mixval.publish.names import markdown_escaped, visible
from mixval.publish.ranking import ranking_rows
from mixval.publish.verdict_words import headline, verdicts_in_words
from mixval.publish.warning_words import IN_REPORT, warning_lines


class ShownProgress:
    """Prefect's progress artifact of a stage, updated at every whole per cent."""

    def __init__(self, key: str, description: str, total: int) -> None:
        """Create the artifact at 0 % of `total` steps."""
        self._total, self._done = max(total, 1), 0
        self._id: UUID | None = None
        with while_prefect_answers():
            self._id = UUID(str(create_progress_artifact(progress=0.0, key=key, description=description)))

    def step(self) -> None:
        """One step more."""
        before, self._done = self._done, self._done + 1
        if self._id is not None and 100 * self._done // self._total > 100 * before // self._total:  # every update is a request
            with while_prefect_answers():
                update_progress_artifact(self._id, progress=100.0 * self._done / self._total)


@contextmanager
def while_prefect_answers() -> Iterator[None]:
    """Within this block an API that does not answer, or refuses, is a warning: what is shown decides nothing about a run."""
    try:
        yield
    except (HTTPError, PrefectException) as error:
        get_run_logger().warning("not shown in Prefect: %s: %s", type(error).__name__, error)


def announce(ranking: pa.Table, summary: RunSummary, coalitions: pa.Table | None = None) -> None:
    """Log what the ranking says, and create artifacts of the flow run: the ranking as a table and a link to the report."""
    says = f"{headline(ranking).plain()} {verdicts_in_words(ranking).plain()}"
    get_run_logger().info("run %s: %s", summary.run_id, says)
    if summary.warnings:
        get_run_logger().warning("run %s: %s", summary.run_id, " ".join(warning_lines(summary.warnings, IN_REPORT)))
    if stopping.told() is not None:  # requests would be waited for
        return
    report = f"{summary.url}/report.html"
    link = report if "://" in report else f"file://{report}"
    with while_prefect_answers():
        create_table_artifact(
            key="mixval-ranking",
            table=ranking_rows(ranking, coalitions),
            description=f"{markdown_escaped(says)} Run {summary.run_id}.",
        )
        create_link_artifact(key="mixval-report", link=link, link_text="mixval report", description=f"run {summary.run_id}")


def announce_weights(summary: CalibrationSummary) -> None:
    """Log how well the weights fit, and create an artifact of the flow run: the weights as a table, with the line that uses
    them."""
    failed = [f"Failed and left out: {name}: {reason}" for name, reason in summary.failed.items()]
    says = " ".join([summary.fit_in_words, summary.trained_in_words, *failed])
    log = get_run_logger().info if summary.is_shown_to_predict else get_run_logger().warning
    log("weights %s: %s", summary.url, visible(says))
    if stopping.told() is not None:  # requests would be waited for
        return
    with while_prefect_answers():
        create_table_artifact(
            key="mixval-weights",
            table=[{"term": term, "weight": weight} for term, weight in summary.weights.items()],
            description=f"{markdown_escaped(says)} Use them: `{summary.use}`",
        )


def announce_gate(summary: GateRunSummary) -> None:
    """Log what a gate decided, and create artifacts of the flow run: the deliveries as a table, and a link to the report."""
    get_run_logger().info("gate: %s", visible(summary.headline))
    if summary.run_id is None or stopping.told() is not None:  # requests would be waited for
        return
    columns = ("done", "contributor", "file", "rows", "value", "interval", "sentence")
    report = f"{summary.url}/report.html"
    with while_prefect_answers():
        create_table_artifact(
            key="mixval-gate",
            table=[{name: markdown_escaped(getattr(one, name)) for name in columns} for one in lines(summary.deliveries)],
            description=markdown_escaped(summary.headline),
        )
        link = report if "://" in report else f"file://{report}"
        create_link_artifact(key="mixval-gate-report", link=link, link_text="mixval gate", description=f"run {summary.run_id}")
