"""What a run tells: metrics, lineage and log of a run that is made, one that finds nothing new, and one that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from benchmarks.torture.world import config_of, lay_out
from mixval.config.runtime import Telling
from mixval.config.valuation import ValuationConfig
from mixval.contracts.run import RunSummary
from mixval.contracts.sealed import content_sha256
from mixval.errors import ConfigError, MixvalError, StorageError
from mixval.progress import current
from mixval.publish.stored_run import open_run
from mixval.stages.whole_run import run_here
from mixval.storage.root import open_location
from mixval.telemetry.facts import MOST_DATASETS, DataUsed, Facts, Valued, bounded
from mixval.telemetry.metrics import METRICS
from mixval.telemetry.observing import observed, tell
from tests.telemetry.observed_events import events_in, metrics_in


@dataclass(frozen=True)
class Told:
    """A run in this process, and what it left beside its output."""

    config: ValuationConfig
    summary: RunSummary
    folder: Path


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("told")
    lay_out(folder)
    config = config_of(folder, folder / "out", "exact")
    return Told(config, run_here(config), folder / "out" / "telemetry")


def test_the_metrics_of_a_run_are_its_own_numbers(told: Told) -> None:
    found = metrics_in(told.folder / "valuation.prom")
    stored = open_run(told.summary.url)
    assert found["mixval_run_success"] == {(): 1.0}
    assert found["mixval_run_up_to_date"] == {(): 0.0}
    assert found["mixval_last_success_timestamp_seconds"] == found["mixval_run_timestamp_seconds"]
    assert found["mixval_contributors"][("admitted",)] + found["mixval_contributors"][("trimmed",)] == told.summary.n_ranked
    shards = [shard for one in stored.manifest.inputs.values() for shard in one]
    assert found["mixval_input_bytes"][("contributors",)] == sum(one.size_bytes for one in shards)
    assert found["mixval_input_rows"][("target",)] == sum(one.n_rows for one in stored.manifest.target)
    assert {kind for kind, origin in found["mixval_artifacts"] if origin == "made"} == set(told.summary.recomputed)
    assert {stage for (stage,) in found["mixval_stage_seconds"]} == set(told.summary.timings_seconds) | {"publish"}
    values = {row["contributor"]: row["value"] for row in stored.ranking.to_pylist()}
    assert found["mixval_contributor_value"] == {(name,): pytest.approx(value) for name, value in values.items()}
    assert found["mixval_memory_peak_bytes"][("flow",)] > 1 << 20


def test_lineage_names_each_shard_by_its_digest_and_the_run_by_its_version(told: Told) -> None:
    begun, ended = events_in(told.folder / "lineage")
    assert (begun["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert begun["run"]["runId"] == ended["run"]["runId"]
    stored = open_run(told.summary.url)
    shards = [*stored.manifest.target, *(shard for one in stored.manifest.inputs.values() for shard in one)]
    versions = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in ended["inputs"]}
    assert versions == {one.url.removeprefix("file://"): one.digest for one in shards}
    [output] = ended["outputs"]
    assert output["name"] == told.summary.url.removeprefix("file://")
    assert output["facets"]["version"]["datasetVersion"] == told.summary.fingerprint
    checked = [one["inputFacets"]["dataQualityAssertions"]["assertions"] for one in ended["inputs"][1:]]
    verdicts = {tuple(one["success"] for one in checks if one["assertion"] == "mixval_gate_admits") for checks in checked}
    assert (True,) in verdicts
    valued = {one["name"]: one for one in ended["run"]["facets"]["mixval_valuation"]["valued"]}
    assert {name for name, one in valued.items() if "value" in one} == {one.contributor for one in told.summary.contributors}


def test_a_run_that_finds_nothing_new_counts_as_a_success_and_leaves_no_lineage(told: Told) -> None:
    before = sorted((told.folder / "lineage").iterdir())
    assert run_here(told.config).up_to_date
    found = metrics_in(told.folder / "valuation.prom")
    assert (found["mixval_run_up_to_date"], found["mixval_run_success"]) == ({(): 1.0}, {(): 1.0})
    assert "mixval_artifacts" not in found or not found["mixval_artifacts"]
    assert found["mixval_contributors"]
    assert sorted((told.folder / "lineage").iterdir()) == before


def ended_badly(output: Path, telling: Telling, error: BaseException) -> None:
    """A run that gets as far as measuring."""
    with pytest.raises(type(error)):
        fail(output, telling, error)


def fail(output: Path, telling: Telling, error: BaseException) -> None:
    """A run that raises this error."""
    with observed("valuation", open_location(output), telling):
        current().begin("measure", 2)
        current().step("measure", "alder: failed")
        raise error


def ended_well(output: Path, telling: Telling) -> None:
    """A run that values one contributor, named as nobody should be."""
    with observed("valuation", open_location(output), telling):
        current().begin("gate", 1)
        current().step("gate", 'al"d\ner: rejected')
        current().end("gate", "0 of 1 admitted")
        tell(lambda: Facts(run_id="r1", headline="nobody", valued=[Valued('al"d\ner', "rejected")]))


def test_a_failure_keeps_the_time_of_the_last_success_and_says_why(tmp_path: Path) -> None:
    ended_well(tmp_path, Telling())
    first = metrics_in(tmp_path / "telemetry" / "valuation.prom")
    ended_badly(tmp_path, Telling(), StorageError("https://key:pass@store/x?X-Amz-Signature=abc: no answer"))
    found = metrics_in(tmp_path / "telemetry" / "valuation.prom")
    assert found["mixval_run_success"] == {(): 0.0}
    assert found["mixval_last_success_timestamp_seconds"] == first["mixval_last_success_timestamp_seconds"]
    assert found["mixval_run_timestamp_seconds"][()] >= found["mixval_last_success_timestamp_seconds"][()]
    events = {one["eventType"]: one for one in events_in(tmp_path / "telemetry" / "lineage")}
    assert set(events) == {"START", "COMPLETE", "FAIL"}
    said = events["FAIL"]["run"]["facets"]["errorMessage"]["message"]
    assert said == "https://store/x no answer"


def test_an_interrupt_is_an_abort(tmp_path: Path) -> None:
    ended_badly(tmp_path, Telling(), KeyboardInterrupt())
    assert [one["eventType"] for one in events_in(tmp_path / "telemetry" / "lineage")] == ["START", "ABORT"]


def test_what_cannot_be_told_fails_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "telemetry").write_text("in the way")
    with observed("valuation", open_location(tmp_path), Telling()):
        current().begin("gate", 1)
        tell(lambda: Facts(headline=str(1 // 0)))
    said = " ".join(record.getMessage() for record in caplog.records)
    assert all(words in said for words in ("could not tell of the run", "could not write metrics", "could not write lineage"))


def test_nothing_is_written_to_places_that_a_configuration_names_wrongly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), observed("ingestion", open_location(tmp_path), Telling()):
        raise ConfigError("the inbox lies below the state")
    assert list(tmp_path.iterdir()) == []


def test_neither_is_written_where_nobody_wants_it(tmp_path: Path) -> None:
    ended_well(tmp_path, Telling(metrics="none", lineage=False))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_a_node_exporter_has_a_file_for_each_output(tmp_path: Path) -> None:
    for output in ("a", "b"):
        ended_well(tmp_path / output, Telling(metrics=str(tmp_path / "prom"), lineage=False))
    files = sorted((tmp_path / "prom").iterdir())
    assert len(files) == 2
    assert all(file.name.startswith("mixval-valuation-") and file.suffix == ".prom" for file in files)
    assert all(metrics_in(file)["mixval_run_success"] == {(): 1.0} for file in files)


class Asked(BaseHTTPRequestHandler):
    """Keeps what it is asked, and answers that all is well."""

    asked: list[tuple[str, str, bytes]] = []

    def _keep(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.command, self.path, body))
        self.send_response(200)
        self.end_headers()

    do_PUT = _keep  # noqa: N815
    do_POST = _keep  # noqa: N815

    def log_message(self, *words: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """An address that takes everything."""
    Asked.asked.clear()
    listening = HTTPServer(("127.0.0.1", 0), Asked)
    thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_a_push_gateway_keeps_the_last_success_over_a_failure(server: str, tmp_path: Path) -> None:
    telling = Telling(metrics=server, lineage=False)
    ended_well(tmp_path, telling)
    ended_badly(tmp_path, telling, MixvalError("no"))
    (put, path, whole), (post, again, part) = Asked.asked
    assert (put, post) == ("PUT", "POST")  # the first replaces the group, the second what it names alone
    assert path == again
    assert path.startswith("/metrics/job/mixval/")
    assert b"mixval_last_success_timestamp_seconds" in whole
    assert b"mixval_last_success_timestamp_seconds" not in part


def test_events_go_where_the_environment_says(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", server)
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "ours")
    ended_well(tmp_path, Telling())
    sent = [json.loads(body) for _, path, body in Asked.asked if path == "/api/v1/lineage"]
    assert [one["eventType"] for one in sent] == ["START", "COMPLETE"]
    assert {one["job"]["namespace"] for one in sent} == {"ours"}


def test_a_run_within_a_run_is_its_child(tmp_path: Path) -> None:
    with observed("calibration", open_location(tmp_path), Telling()):
        current().begin("training", 1)
        ended_well(tmp_path, Telling())
        with observed("calibration", open_location(tmp_path), Telling()):  # of the same flow: the same run
            current().end("training", "")
    events = events_in(tmp_path / "telemetry" / "lineage")
    outer, inner = ([one for one in events if flow in one["job"]["name"]] for flow in ("calibration ", "valuation "))
    assert (len(outer), len(inner)) == (2, 2)
    assert {one["run"]["facets"]["parent"]["run"]["runId"] for one in inner} == {outer[0]["run"]["runId"]}


def test_the_log_in_json_is_one_object_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "telemetry").write_text("in the way")
    telling = Telling(log="json")
    ended_well(tmp_path, telling)
    ended_badly(tmp_path, telling, MixvalError("it broke"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {line["flow"] for line in lines} == {"valuation"}
    assert len({line["run"] for line in lines}) == 2
    steps = [line for line in lines if line["event"] == "step"]
    assert [(one["stage"], one["contributor"], one["outcome"], one["level"]) for one in steps] == [
        ("gate", 'al"d\ner', "rejected", "info"),
        ("measure", "alder", "failed", "warning"),
    ]
    assert any(line["event"] == "log" and "could not write metrics" in line["message"] for line in lines)
    assert lines[-1] | {"time": "", "run": ""} == {
        "time": "", "run": "", "level": "error", "flow": "valuation", "event": "run-failed", "message": "it broke",
    }  # fmt: skip


def test_a_million_shards_are_as_many_datasets_as_contributors() -> None:
    files = [DataUsed(f"s3://b/{one}/{part}", f"{part}", "contributors", one, 2, 10) for one in "ab" for part in range(600)]
    assert bounded(files[:MOST_DATASETS]) == files[:MOST_DATASETS]
    both = bounded(files)
    assert [(one.url, one.n_rows, one.n_bytes, one.n_files) for one in both] == [
        ("s3://b/a", 1200, 6000, 600),
        ("s3://b/b", 1200, 6000, 600),
    ]
    assert both[0].version == content_sha256("\n".join(map(str, range(600))).encode())


def test_every_metric_says_what_it_is() -> None:
    assert all(name.startswith("mixval_") and metric.help.endswith(".") for name, metric in METRICS.items())
