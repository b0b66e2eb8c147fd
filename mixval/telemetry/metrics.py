"""The metrics of a run, as Prometheus reads them. All are gauges of the last run of a flow on an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from mixval import __version__
from mixval.telemetry.facts import Sample

LAST_SUCCESS = "mixval_last_success_timestamp_seconds"
COMMON = ("flow", "output")
"""Labels of every metric: the flow, and the URL of what it writes to."""
MOST_NAMES = 50
"""Contributors that are labels. Of more, none is: each would be a time series for ever."""


@dataclass(frozen=True)
class Metric:
    """One metric."""

    help: str
    labels: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "mixval_build_info": Metric("1, with the version of mixval that ran.", ("version",)),
    "mixval_run_success": Metric("1 where the last run ended well, else 0."),
    "mixval_run_timestamp_seconds": Metric("When the last run ended, in seconds since 1970."),
    LAST_SUCCESS: Metric("When a run last ended well, in seconds since 1970."),
    "mixval_run_seconds": Metric("Seconds that the last run took."),
    "mixval_run_up_to_date": Metric("1 where the last run found that nothing had changed, else 0."),
    "mixval_stage_seconds": Metric("Seconds that a stage of the last run took.", ("stage",)),
    "mixval_memory_peak_bytes": Metric("Most memory of the flow's process, and of one of its workers.", ("process",)),
    "mixval_input_files": Metric("Files that the last run was made from.", ("role",)),
    "mixval_input_rows": Metric("Rows of these files.", ("role",)),
    "mixval_input_bytes": Metric("Bytes of these files.", ("role",)),
    "mixval_contributors": Metric("Contributors by the gate's verdict.", ("verdict",)),
    "mixval_rows": Metric("Rows admitted (real, synthetic), dropped, and cut to the context.", ("state",)),
    "mixval_rejected_rows": Metric("Rows that break a check which keeps them or their contributor out.", ("check",)),
    "mixval_artifacts": Metric("Artifacts that the last run made, or found and used again.", ("kind", "origin")),
    "mixval_warnings": Metric("Warnings of the last run.", ("severity",)),
    "mixval_contributor_value": Metric(f"Value of a contributor; none with more than {MOST_NAMES}.", ("contributor",)),
    "mixval_contributor_value_low": Metric("Lower end of its interval.", ("contributor",)),
    "mixval_contributor_value_high": Metric("Upper end of its interval.", ("contributor",)),
    "mixval_decisions": Metric("Decisions of the last run.", ("outcome", "rule")),
    "mixval_deliveries": Metric("Deliveries that lie in the inbox or wait, by what stands.", ("state",)),
    "mixval_rows_appended": Metric("Rows that entered the table in the last run."),
    "mixval_table_version": Metric("Version of the table at the end of the last run."),
    "mixval_inbox_oldest_seconds": Metric("Age of the oldest delivery that nobody has settled; 0 where there is none."),
    "mixval_findings": Metric("What a gate's run found that somebody should look at."),
    "mixval_trainings": Metric("Trainings of a calibration, an experiment or a study: run, reused, failed.", ("state",)),
    "mixval_synthesis_rows": Metric("Rows that a synthesis planned: kept, dropped, failed.", ("state",)),
    "mixval_synthesis_dropped_rows": Metric("Rows that a synthesis dropped, by the filter's reason.", ("reason",)),
    "mixval_synthesis_requests": Metric(
        "Requests of a synthesis: asked in the last run, reused from the journal.", ("origin",)
    ),
    "mixval_synthesis_tokens": Metric("Tokens of the requests that the last run asked, and of their answers.", ("kind",)),
    "mixval_weights_spearman": Metric("Cross-validated correlation of fitted weights, with its interval.", ("bound",)),
}
"""Name -> what it says. Dashboards and alert rules in deployments/ name no other."""


def registry_of(common: Mapping[str, str], samples: Mapping[str, Sequence[Sample]], success: float | None) -> CollectorRegistry:
    """The metrics of one run. `success` is when a run last ended well; None where none is known."""
    registry = CollectorRegistry()
    given: dict[str, Sequence[Sample]] = {"mixval_build_info": [({"version": __version__}, 1.0)], **samples}
    if success is not None:
        given[LAST_SUCCESS] = [({}, success)]
    for name, found in given.items():
        metric = METRICS[name]
        gauge = Gauge(name, metric.help, (*COMMON, *metric.labels), registry=registry)
        for labels, number in found:
            gauge.labels(**common, **labels).set(number)
    return registry


def last_success(text: str) -> float | None:
    """When a run last ended well, as an earlier text says."""
    families = text_string_to_metric_families(text)
    return next((sample.value for one in families if one.name == LAST_SUCCESS for sample in one.samples), None)
