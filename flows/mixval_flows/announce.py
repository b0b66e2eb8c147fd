"""What Prefect shows of a run: its log, progress, the ranking or the fitted weights as a table, what the report says first."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

import pyarrow as pa
from httpx import HTTPError
from prefect import get_run_logger
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException

from mixval import progress, stopping
from mixval.config.runtime import Telling
from mixval.contracts.gate_run import GateRunSummary
from mixval.contracts.run import RunSummary
from mixval.evidence.calibration_results import CalibrationSummary
from mixval.experiments.results import ExperimentSummary
from mixval.experiments.running import Summary
from mixval.experiments.study.results import StudySummary
from mixval.experiments.study.words import cautions
from mixval.experiments.study.words import findings as study_findings
from mixval.experiments.study.words import headline as study_headline
from mixval.experiments.words import findings
from mixval.experiments.words import headline as experiment_headline
from mixval.publish.gate_page.words import lines
from mixval.publish.names import markdown_escaped, visible
from mixval.publish.ranking import ranking_rows
from mixval.publish.verdict_words import headline, verdicts_in_words
from mixval.publish.warning_words import IN_REPORT, warning_lines
from mixval.storage.root import Location
from mixval.synthesis.publishing import SynthesisSummary
from mixval.telemetry.observing import observed
from mixval_tasks.base import log_run


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


class LoggedProgress:
    """Hands progress on, and tells Prefect's log of the flow run of it."""

    def __init__(self, shown: progress.Progress) -> None:
        """Progress goes on to `shown`."""
        self._shown = shown

    def begin(self, stage: str, total: int) -> None:
        """A stage starts."""
        self._log("%s ...", stage)
        self._shown.begin(stage, total)

    def step(self, stage: str, words: str) -> None:
        """A step of it is done."""
        self._log("%s: %s", stage, visible(words))
        self._shown.step(stage, words)

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        """Rows pass too often for a log."""
        self._shown.part(stage, name, done, total)

    def end(self, stage: str, words: str) -> None:
        """A stage is done."""
        self._log("%s done%s", stage, f": {visible(words)}" if words else "")
        self._shown.end(stage, words)

    def _log(self, words: str, *given: str) -> None:
        if _LOGGED.get() is self:  # the log is that of the innermost flow, which has told of it already
            log_run(words, *given)


_LOGGED: ContextVar[LoggedProgress | None] = ContextVar("mixval_logged", default=None)


@contextmanager
def watched(flow: str, output: Location, telling: Telling) -> Iterator[None]:
    """Within this block of a flow, Prefect's log tells of its stages, and the run is observed (`mixval/telemetry/`)."""
    logged = LoggedProgress(progress.current())
    token = _LOGGED.set(logged)
    try:
        with progress.shown_by(logged), observed(flow, output, telling):
            yield
    finally:
        _LOGGED.reset(token)


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
    warned = [f"- **{one.severity}**: {markdown_escaped(one.words)}" for one in summary.warnings]
    with while_prefect_answers():
        create_table_artifact(
            key="mixval-ranking",
            table=ranking_rows(ranking, coalitions),
            description=f"{markdown_escaped(says)} Run {summary.run_id}.",
        )
        create_markdown_artifact(
            key="mixval-report",
            markdown="\n\n".join([f"# {markdown_escaped(says)}", *warned, report_words(f"{summary.url}/report.html")]),
            description=f"run {summary.run_id}",
        )


def report_words(report: str) -> str:
    """Where the report lies. A browser follows links to the web alone, from a page of the web."""
    if report.startswith(("http://", "https://")):
        return f"[Report]({report})"
    return f"Report: `{visible(report)}`. Open it on a machine that sees this place."


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


def announce_synthesis(summary: SynthesisSummary) -> None:
    """Log what became of the planned rows, and create an artifact of the flow run: a table of them by reason."""
    log = get_run_logger().warning if summary.n_failed else get_run_logger().info
    log("synthesis %s: %s Rows: %s", summary.run_id, summary.headline, summary.rows_url)
    if stopping.told() is not None:  # requests would be waited for
        return
    counted = [("kept", "", summary.n_kept)]
    counted += [("dropped", reason, n) for reason, n in summary.dropped.items()]
    counted += [("failed", reason, n) for reason, n in summary.failed.items()]
    with while_prefect_answers():
        create_table_artifact(
            key="mixval-synthesis",
            table=[{"rows": what, "reason": markdown_escaped(visible(reason)), "n": n} for what, reason, n in counted],
            description=f"{markdown_escaped(summary.headline)} Run {summary.run_id}.",
        )


def announce_experiment(summary: ExperimentSummary) -> None:
    """Log what was found, and create an artifact of the flow run: the sentences of the page and where it lies."""
    figures = summary.figures
    said = [f"{one.name}: {words}" for one in figures.weightings for words in findings(figures, one)]
    _announce_trainings("experiment", summary, experiment_headline(figures), said)


def announce_study(summary: StudySummary) -> None:
    """The same of a study."""
    said = [f"{one.question}: {one.here}" for one in study_findings(summary.figures)]
    _announce_trainings("study", summary, study_headline(summary.figures), [*cautions(summary.figures), *said])


def _announce_trainings(flow: str, summary: Summary, headline: str, said: Sequence[str]) -> None:
    get_run_logger().info("%s %s: %s", flow, summary.run_id, visible(headline))
    if stopping.told() is not None:  # requests would be waited for
        return
    lines = "\n".join(f"- {markdown_escaped(visible(words))}" for words in said)
    parts = [f"# {markdown_escaped(visible(headline))}", lines, report_words(f"{summary.url}/report.html")]
    with while_prefect_answers():
        create_markdown_artifact(key=f"mixval-{flow}", markdown="\n\n".join(parts), description=f"run {summary.run_id}")


def announce_gate(summary: GateRunSummary) -> None:
    """Log what a gate decided, and create artifacts of the flow run: the deliveries as a table, and a link to the report."""
    get_run_logger().info("gate: %s", visible(summary.headline))
    if summary.run_id is None or stopping.told() is not None:  # requests would be waited for
        return
    columns = ("done", "contributor", "file", "rows", "value", "interval", "sentence")
    findings = [f"- {markdown_escaped(words)}" for words in summary.findings]
    with while_prefect_answers():
        create_table_artifact(
            key="mixval-gate",
            table=[{name: markdown_escaped(getattr(one, name)) for name in columns} for one in lines(summary.deliveries)],
            description=markdown_escaped(summary.headline),
        )
        create_markdown_artifact(
            key="mixval-gate-report",
            markdown="\n\n".join(
                [f"# {markdown_escaped(summary.headline)}", *findings, report_words(f"{summary.url}/report.html")]
            ),
            description=f"run {summary.run_id}",
        )
