"""Lineage of a run as OpenLineage events: what was read, at which version, what came of it, and what was checked."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    RunFacet,
    data_quality_assertions_dataset,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    parent_run,
    processing_engine_run,
)
from openlineage.client.serde import Serde

from mixval import __version__
from mixval.config.url_secrets import stripped_url
from mixval.telemetry.facts import DataUsed, Facts, Valued, bounded

PRODUCER = f"urn:mixval:{__version__}"
NAMESPACE = "mixval"
"""Of jobs, where `OPENLINEAGE_NAMESPACE` names no other."""
MOST_VALUED = 1_000
"""Contributors of the valuation's facet."""
ELSEWHERE = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT")
"""Variables of the environment, or how they begin, by which the client is told of a transport."""


@attr.define
class ValuationRunFacet(RunFacet):
    """What a run says of its contributors or deliveries; its schema is deployments/openlineage/."""

    mixvalRun: str  # noqa: N815  as OpenLineage spells its fields
    headline: str
    nValued: int  # noqa: N815
    valued: list[dict[str, Any]]

    @staticmethod
    def _get_schema() -> str:
        return "urn:mixval:facet:valuation:1"


@dataclass(frozen=True)
class Observed:
    """Which run events are of."""

    id: str
    """UUID."""
    flow: str
    output: str
    """URL of what it writes to."""
    parent: Observed | None = None
    """The run within which it runs."""

    @property
    def job(self) -> str:
        """Name of the job: the flow and what it writes to, which stay the same from night to night."""
        return f"{self.flow} {stripped_url(self.output)}"


def event(kind: RunState, run: Observed, facts: Facts, error: str | None = None) -> RunEvent:
    """One event of a run. START has no datasets: they are known once the run has listed them."""
    return RunEvent(
        eventType=kind,
        eventTime=datetime.now(UTC).isoformat(),
        producer=PRODUCER,
        run=Run(runId=run.id, facets=_run_facets(run, facts, error)),
        job=Job(
            namespace=namespace(),
            name=run.job,
            facets={"jobType": job_type_job.JobTypeJobFacet("BATCH", "mixval", "FLOW", producer=PRODUCER)},
        ),
        inputs=[_input(one) for one in bounded(facts.inputs)],
        outputs=[_output(one) for one in facts.outputs],
    )


def namespace() -> str:
    """Namespace of the jobs."""
    return os.environ.get("OPENLINEAGE_NAMESPACE", NAMESPACE)


def as_json_line(one: RunEvent) -> str:
    """The event as the official client writes it."""
    return f"{Serde.to_json(one)}\n"


def send(one: RunEvent) -> None:
    """Send an event where the environment says, by the client's own transports; nowhere where it says nothing."""
    if any(name.startswith(ELSEWHERE) for name in os.environ):
        from openlineage.client import OpenLineageClient

        client = OpenLineageClient()
        try:
            client.emit(one)
        finally:
            client.close(timeout=5.0)


def _run_facets(run: Observed, facts: Facts, error: str | None) -> dict[str, RunFacet]:
    facets: dict[str, RunFacet] = {
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            version=__version__, name="mixval", producer=PRODUCER
        )
    }
    if run.parent is not None:
        facets["parent"] = parent_run.ParentRunFacet(
            run=parent_run.Run(run.parent.id), job=parent_run.Job(namespace(), run.parent.job), producer=PRODUCER
        )
    if error is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(error, "python", producer=PRODUCER)
    if facts.run_id:
        facets["mixval_valuation"] = ValuationRunFacet(
            mixvalRun=facts.run_id,
            headline=facts.headline,
            nValued=len(facts.valued),
            valued=[_valued(one) for one in facts.valued[:MOST_VALUED]],
            producer=PRODUCER,
        )
    return facets


def _valued(one: Valued) -> dict[str, Any]:
    return {name: found for name, found in asdict(one).items() if found not in (None, "")}


def _named(one: DataUsed) -> tuple[str, str]:
    """Namespace and name, as OpenLineage names files: `file` and the path, `s3://BUCKET` and the key."""
    scheme, _, rest = stripped_url(one.url).partition("://")
    if scheme == "file":
        return "file", rest
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", path or "/"


def _version(one: DataUsed) -> dict[str, Any]:
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(one.version, producer=PRODUCER)}


def _input(one: DataUsed) -> InputDataset:
    facets: dict[str, Any] = {
        "dataQualityMetrics": data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
            columnMetrics={}, rowCount=one.n_rows, bytes=one.n_bytes, fileCount=one.n_files, producer=PRODUCER
        )
    }
    if one.checks:
        facets["dataQualityAssertions"] = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
            assertions=_assertions(one), producer=PRODUCER
        )
    return InputDataset(*_named(one), inputFacets=facets, facets=_version(one))


def _assertions(one: DataUsed) -> list[data_quality_assertions_dataset.Assertion]:
    return [
        data_quality_assertions_dataset.Assertion(
            check.name, check.passed, check.column, severity="error" if check.blocks else "warn"
        )
        for check in one.checks
    ]


def _output(one: DataUsed) -> OutputDataset:
    return OutputDataset(*_named(one), facets=_version(one))
