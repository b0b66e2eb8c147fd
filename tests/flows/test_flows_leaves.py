"""What a run leaves: files and schemas in the output root, artifacts and task runs in Prefect."""

from __future__ import annotations

import csv
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)

from mixval.config.load import parse_config
from mixval.contracts.results import REJECTED, ranking_schema, terms_schema
from mixval.contracts.terms import TERMS
from mixval.publish.manifest import read_manifest
from mixval.publish.names import markdown_escaped
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location
from mixval_flows.api import _drain
from tests.flows.conftest import Ran
from tests.telemetry.observed_events import events_in, metrics_in
from tests.worlds import PLANTED


def test_every_planned_contributor_is_accounted_for(ran: Ran) -> None:
    summary = ran.summary
    assert (summary.n_planned, summary.n_ranked, summary.n_rejected, summary.n_failed) == (4, 3, 1, 0)
    manifest = read_manifest((ran.folder / "manifest.json").read_text(), "manifest.json")
    assert {one.contributor: one.verdict for one in manifest.outcomes} == dict.fromkeys(PLANTED, "admitted") | {
        "tiny": "rejected"
    }
    assert pq.read_table(ran.folder / "ranking.parquet")["contributor"].to_pylist() == list(PLANTED)
    refused = pq.read_table(ran.folder / "rejected.parquet").to_pylist()
    assert {one["contributor"] for one in refused} == {"tiny"}
    reason = next(one["reason"] for one in refused if "gate.min_rows)" in one["reason"])
    assert "'tiny'" in reason
    assert "found 3" in reason


def test_the_folder_of_a_run_holds_what_the_design_names(ran: Ran) -> None:
    files = sorted(str(path.relative_to(ran.folder)) for path in ran.folder.rglob("*") if path.is_file())
    pages = [name for name in files if name.startswith("data-docs/contributors/")]
    assert [name for name in files if name not in pages] == [
        "data-docs/index.html",
        "gate.json",
        "manifest.json",
        "ranking.csv",
        "ranking.md",
        "ranking.parquet",
        "rejected.parquet",
        "report.html",
        "terms.parquet",
    ]
    assert len(pages) == 4
    assert [row["contributor"] for row in csv.DictReader((ran.folder / "ranking.csv").read_text().splitlines())] == list(
        PLANTED
    )
    assert all(name in (ran.folder / "ranking.md").read_text() for name in (*PLANTED, "tiny"))
    assert set(json.loads((ran.folder / "gate.json").read_text())) == {*PLANTED, "tiny"}
    report = (ran.folder / "report.html").read_text()
    assert all(name in report for name in (*PLANTED, "tiny"))


@pytest.mark.parametrize(("name", "schema"), [("ranking", ranking_schema()), ("terms", terms_schema()), ("rejected", REJECTED)])
def test_tables_have_the_published_schema_with_units(ran: Ran, name: str, schema: pa.Schema) -> None:
    found = pq.read_schema(ran.folder / f"{name}.parquet")
    assert found.equals(schema)
    for field in schema:
        assert found.field(field.name).nullable == field.nullable
        assert found.field(field.name).metadata[b"unit"] == field.metadata[b"unit"]
        assert found.field(field.name).metadata[b"description"] == field.metadata[b"description"]


def test_the_terms_table_explains_the_ranking(ran: Ran) -> None:
    terms = pq.read_table(ran.folder / "terms.parquet").to_pylist()
    whole = {(row["contributor"], row["term"]): row["estimate"] for row in terms if row["part"] == "all"}
    for row in pq.read_table(ran.folder / "ranking.parquet").to_pylist():
        assert {term: whole[row["contributor"], term] for term in TERMS} == {term: row[term] for term in TERMS}
        assert row["value"] == pytest.approx(sum(row[f"weighted_{term}"] for term in TERMS))


def test_the_manifest_is_enough_to_run_again(ran: Ran) -> None:
    manifest = read_manifest((ran.folder / "manifest.json").read_text(), "manifest.json")
    assert parse_config(manifest.config) == ran.config
    assert manifest.fingerprint == ran.summary.fingerprint
    assert {name: [shard.n_rows for shard in shards] for name, shards in manifest.inputs.items()} == {
        "near": [60],
        "mixed": [36],
        "far": [12],
        "tiny": [3],
    }
    assert manifest.recomputed == {"gate": 4, "forward": 4, "gram": 3, "terms": 3}
    assert set(manifest.timings_seconds) == {"plan", "gate", "measure", "reduce"}


def test_the_pointer_points_to_the_run(ran: Ran) -> None:
    latest = read_latest(open_location(str(ran.world.output)))
    assert latest is not None
    assert (latest.run_id, latest.fingerprint) == (ran.summary.run_id, ran.summary.fingerprint)


def test_prefect_shows_ranking_report_and_progress(ran: Ran) -> None:
    with get_client(sync_client=True) as client:
        chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[ran.flow_run]))
        found = {artifact.key: artifact for artifact in client.read_artifacts(artifact_filter=chosen)}
    assert set(found) == {"mixval-ranking", "mixval-report", "mixval-measure"}
    table = json.loads(str(found["mixval-ranking"].data))
    assert [row["contributor"] for row in table] == list(PLANTED)
    assert f"{ran.summary.url}/report.html" in str(found["mixval-report"].data)
    assert float(str(found["mixval-measure"].data)) == 100.0


def test_the_report_s_artifact_says_what_it_says_and_links_to_no_file(ran: Ran) -> None:
    with get_client(sync_client=True) as client:
        chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[ran.flow_run]))
        [report] = [one for one in client.read_artifacts(artifact_filter=chosen) if one.key == "mixval-report"]
    assert report.type == "markdown"
    said = str(report.data)
    assert "](file:" not in said
    for warned in ran.summary.warnings:
        assert markdown_escaped(warned.words.partition(". ")[0]) in said


def test_metrics_and_lineage_lie_beside_the_runs(ran: Ran) -> None:
    found = metrics_in(ran.world.output / "telemetry" / "valuation.prom")
    assert found["mixval_contributors"] == {("admitted",): 3.0, ("trimmed",): 0.0, ("rejected",): 1.0, ("failed",): 0.0}
    assert found["mixval_memory_peak_bytes"][("worker",)] > 1 << 26
    assert sum(found["mixval_rejected_rows"].values()) > 0
    assert [one["eventType"] for one in events_in(ran.world.output / "telemetry" / "lineage")] == ["START", "COMPLETE"]


def test_prefect_s_log_tells_of_every_contributor(ran: Ran) -> None:
    _drain(10)
    with get_client(sync_client=True) as client:
        chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[ran.flow_run]))
        said = {log.message for log in client.read_logs(log_filter=chosen, limit=200)}
    assert {"gate: tiny: rejected", "gate: near: admitted", "measure: near", "gate done: 3 of 4 admitted"} <= said
    assert any(words.startswith("terms near: ready after") for words in said)


def test_task_runs_are_named_by_contributor_and_completed(ran: Ran) -> None:
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[ran.flow_run])))
    steps = [f"{step} {name}" for name in PLANTED for step in ("gate", "gram", "forward", "terms")]
    assert Counter(run.name for run in runs) == Counter([*steps, "gate tiny", "forward target"])
    assert {run.state_name for run in runs} == {"Completed"}


def test_every_gated_contributor_has_a_page_that_the_report_can_follow(ran: Ran) -> None:
    manifest = read_manifest((ran.folder / "manifest.json").read_text(), "manifest")
    assert {outcome.contributor for outcome in manifest.outcomes} == {"near", "mixed", "far", "tiny"}
    for outcome in manifest.outcomes:
        assert outcome.data_docs is not None
        assert (ran.folder / outcome.data_docs).is_file()
    report = (ran.folder / "report.html").read_text()
    assert 'href="data-docs/index.html"' in report
    refused = next(outcome for outcome in manifest.outcomes if outcome.contributor == "tiny")
    assert f'href="{refused.data_docs}"' in report
