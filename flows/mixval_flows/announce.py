"""What Prefect shows of a run: progress, the ranking as a table, a link to the report."""

from uuid import UUID

import pyarrow as pa
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from mixval.contracts.run import RunSummary
from mixval.publish.ranking import ranking_rows


class MeasureProgress:
    """Prefect's progress artifact of the measure stage: one step per contributor, updated at every whole per cent."""

    def __init__(self, total: int) -> None:
        """Create the artifact at 0 %."""
        self._total, self._done = max(total, 1), 0
        created = create_progress_artifact(progress=0.0, key="mixval-measure", description="contributors measured")
        self._id = UUID(str(created))

    def step(self) -> None:
        """One contributor more."""
        before, self._done = self._done, self._done + 1
        if 100 * self._done // self._total > 100 * before // self._total:  # every update is a request
            update_progress_artifact(self._id, progress=100.0 * self._done / self._total)


def announce(ranking: pa.Table, summary: RunSummary, coalitions: pa.Table | None = None) -> None:
    """Create artifacts of the flow run: the ranking as a table and a link to the report."""
    create_table_artifact(
        key="mixval-ranking", table=ranking_rows(ranking, coalitions), description=f"ranking of run {summary.run_id}"
    )
    report = f"{summary.url}/report.html"
    link = report if "://" in report else f"file://{report}"
    create_link_artifact(key="mixval-report", link=link, link_text="mixval report", description=f"run {summary.run_id}")
