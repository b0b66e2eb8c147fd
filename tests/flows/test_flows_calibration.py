"""Calibration: truth by retraining through the real flow, weights fitted to it, and a valuation that uses them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from mixval.config.valuation import ValuationConfig
from mixval.contracts.run import RunSummary
from mixval.contracts.terms import TERMS
from mixval.errors import ConfigError, ConflictError
from mixval.evidence.calibrating import plan_trainings, train_here, training
from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.calibration_publishing import publish_calibration
from mixval.evidence.calibration_results import CalibrationManifest, CalibrationSummary
from mixval.evidence.truth import truth_ref
from mixval.publish.run_manifest import parse_manifest
from mixval.publish.stored_run import open_run
from mixval.storage.listing import list_inputs
from mixval.storage.pointer import Latest, read_latest
from mixval.storage.root import Location, open_location
from mixval_flows.calibration import calibration
from mixval_flows.runner import LazyCluster
from mixval_tasks.cluster import use_cluster
from tests.cli.command_line import invoke
from tests.worlds import World, planted, rows

TASK = "language-modelling"
RECIPE = {"learning_rate": 0.02, "batch_rows": 16, "epochs": 2, "min_steps": 12, "max_steps": 12, "min_validation_rows": 50}
Value = Callable[[ValuationConfig], RunSummary]
NEAR, FAR = ("near", "wide", "more"), ("far", "odd")


def world_in(folder: Path) -> World:
    """Near, far and mixed contributors, two seeds each, and test rows that are drawn like T."""
    world = planted(folder, TASK, ntk={"sample": {"count": 12}}, value={"replicates": 10})
    world.contribute("wide", rows(TASK, 50, start=20_000))
    world.contribute("more", rows(TASK, 40, start=30_000))
    world.contribute("odd", rows(TASK, 20, start=40_000, is_near=False, origin="synthetic"))
    hold_out_test(world, 50_000)
    return world


def hold_out_test(world: World, start: int) -> None:
    test = world.shard("unused", pa.Table.from_pylist(rows(TASK, 40, start=start), schema=world.schema()))
    (world.root / "test").mkdir(exist_ok=True)
    shutil.move(test, world.root / "test" / "part-0.parquet")
    test.parent.rmdir()


def settings(world: World, **changes: Any) -> dict[str, Any]:
    return world.as_dict(**{"test": str(world.root / "test"), "recipe": RECIPE, "seeds": 2} | changes)


def config_of(world: World, **changes: Any) -> CalibrationConfig:
    return CalibrationConfig.model_validate(settings(world, **changes))


def calibrate(cluster: LazyCluster, config: CalibrationConfig) -> CalibrationSummary:
    with use_cluster(cluster):
        return calibration(config)


@dataclass(frozen=True)
class Calibrated:
    world: World
    summary: CalibrationSummary


@pytest.fixture(scope="module")
def calibrated(cluster: LazyCluster, value: Value, tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    """A calibration that was stopped half-way, with the truth of seed 0 there, and then went on.

    What a killed process leaves is the same commits: `test_flows_killed.py` kills one.
    """
    world = world_in(tmp_path_factory.mktemp("calibrated"))
    config = config_of(world)
    value(config.valuation)
    half = plan_trainings(config, ["far", "mixed", "more", "near", "odd", "wide"]).alone[:6]
    with use_cluster(cluster):
        for job in half:
            cluster.client().submit(train_here, job, pure=False).result()
    return Calibrated(world, calibrate(cluster, config))


def pa_table(file: Location) -> pa.Table:
    return pq.read_table(pa.BufferReader(file.read_bytes()))


def truths(world: World) -> dict[str, int]:
    found = (world.output / "artifacts" / "truth").rglob("*.json")
    return {str(path): path.stat().st_mtime_ns for path in found}


def published(world: World) -> set[str]:
    return {path.name for path in (world.output / "calibrations" / "runs").iterdir()}


def test_what_was_trained_before_a_stop_is_found(calibrated: Calibrated) -> None:
    assert (calibrated.summary.n_trained, calibrated.summary.n_found) == (6, 6)
    assert calibrated.summary.failed == {}


def test_a_contributor_with_test_rows_is_refused(calibrated: Calibrated, cluster: LazyCluster, tmp_path: Path) -> None:
    shutil.copytree(calibrated.world.root, tmp_path / "copy")
    world = World(tmp_path / "copy", TASK, calibrated.world.settings)
    world.contribute("leaky", rows(TASK, 30, start=50_037))  # the test set has seeds 50,000 to 50,039
    with pytest.raises(ConfigError, match=r"found 3 of .* in contributor 'leaky' too"):
        calibrate(cluster, config_of(world))


def test_weights_are_not_negative_and_order_the_planted_contributors(calibrated: Calibrated) -> None:
    summary = calibrated.summary
    assert summary.n_contributors == 6
    assert min(summary.weights.values()) >= 0.0
    assert max(summary.weights.values()) > 0.0
    terms = {row["contributor"]: row for row in open_run(str(calibrated.world.output)).ranking.to_pylist()}
    values = {name: -sum(summary.weights[term] * row[term] for term in TERMS) for name, row in terms.items()}
    assert min(values[name] for name in NEAR) > max(values[name] for name in FAR)


def test_what_is_published_is_a_run_of_its_own_with_its_own_pointer(calibrated: Calibrated) -> None:
    root = open_location(str(calibrated.world.output / "calibrations"))
    latest = read_latest(root)
    assert latest is not None
    folder = calibrated.world.output / "calibrations" / "runs" / latest.run_id
    assert sorted(path.name for path in folder.iterdir()) == [
        "contributors.parquet",
        "manifest.json",
        "truth.parquet",
        "weights.json",
    ]
    assert calibrated.summary.url == open_location(str(folder / "weights.json")).url
    manifest = parse_manifest(CalibrationManifest, "calibration-manifest", (folder / "manifest.json").read_text(), "m")
    assert (manifest.run_id, manifest.fingerprint) == (latest.run_id, latest.fingerprint)
    assert manifest.figures.weights == calibrated.summary.weights
    valued = read_latest(open_location(str(calibrated.world.output)))
    assert valued is not None
    assert manifest.valuation_run == calibrated.summary.run_id == valued.run_id
    assert CalibrationConfig.model_validate(manifest.config) == config_of(calibrated.world)
    committed = calibrated.world.output / "artifacts" / "calibration"
    assert manifest.artifact.fingerprint in {path.parent.name for path in committed.rglob("record.json")}
    for name in ("truth", "contributors"):
        assert pq.read_schema(folder / f"{name}.parquet").metadata[b"schema_version"] == b"1"


def test_a_calibration_s_run_is_not_taken_for_a_valuation_s(calibrated: Calibrated) -> None:
    said = invoke("report", calibrated.world.output / "calibrations")
    assert said.exit_code == 4
    assert "expected a run of the flow `valuation`, found one of `calibration`" in said.stderr


def test_whoever_publishes_second_is_told(calibrated: Calibrated) -> None:
    stale = Latest(run_id="before", fingerprint="0" * 32, token="other")
    folder = open_location(calibrated.summary.url.rpartition("/")[0])
    manifest = parse_manifest(
        CalibrationManifest, "calibration-manifest", folder.child("manifest.json").read_bytes().decode(), folder.url
    )
    given = (config_of(calibrated.world), manifest.artifact, manifest.figures, manifest.valuation_run, datetime.now(UTC))
    with pytest.raises(ConflictError, match="another run published first"):
        publish_calibration(*given, stale)
    assert read_latest(open_location(str(calibrated.world.output / "calibrations"))).run_id == manifest.run_id


def test_the_artifact_says_what_it_was_made_of(calibrated: Calibrated) -> None:
    document = open_location(calibrated.summary.url)
    found = json.loads(document.read_bytes())
    assert found["weights"] == calibrated.summary.weights
    assert found["n_contributors"] == 6
    assert found["task"] == TASK
    assert {"target", "test", "recipe", "n_seeds", "spearman", "spearman_low", "spearman_high"} <= set(found["evidence"])
    folder = open_location(calibrated.summary.url.rpartition("/")[0])
    truth, fitted = (pa_table(folder.child(f"{name}.parquet")) for name in ("truth", "contributors"))
    means = fitted.to_pylist()
    assert truth.num_rows == 12
    for row in means:
        own = [one["metric"] for one in truth.to_pylist() if one["contributor"] == row["contributor"]]
        assert row["truth"] == pytest.approx(np.mean(own))


def test_prefect_shows_the_weights_and_how_to_use_them(calibrated: Calibrated) -> None:
    chosen = ArtifactFilter(key=ArtifactFilterKey(any_=["mixval-weights", "mixval-training"]))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=chosen)
    trained = {one.flow_run_id: float(str(one.data)) for one in found if one.key == "mixval-training"}
    use = f"fitted_weights: {calibrated.summary.url}"
    [shown] = [one for one in found if use in str(one.description) and one.flow_run_id in trained]
    assert {row["term"]: row["weight"] for row in json.loads(str(shown.data))} == pytest.approx(calibrated.summary.weights)
    assert trained[shown.flow_run_id] == 100.0


def test_a_second_run_trains_nothing_and_gives_the_same(calibrated: Calibrated, cluster: LazyCluster) -> None:
    before, runs = truths(calibrated.world), published(calibrated.world)
    again = calibrate(cluster, config_of(calibrated.world))
    assert (again.n_trained, again.n_found) == (0, 12)
    assert (again.url, again.weights) == (calibrated.summary.url, calibrated.summary.weights)
    assert published(calibrated.world) == runs
    assert truths(calibrated.world) == before


def test_one_that_cannot_be_trained_is_named_and_the_others_go_on(
    calibrated: Calibrated, cluster: LazyCluster, tmp_path: Path
) -> None:
    shutil.copytree(calibrated.world.root, tmp_path / "copy")
    world = World(tmp_path / "copy", TASK, calibrated.world.settings)
    world.contribute("blocked", rows(TASK, 30, start=70_000))
    listed, _ = list_inputs(config_of(world).source)
    world.obstruct(truth_ref(training(config_of(world), "blocked", listed["blocked"], None, 0)))
    summary = calibrate(cluster, config_of(world))
    assert list(summary.failed) == ["blocked"]
    assert summary.n_contributors == 6
    assert (summary.n_trained, summary.n_found) == (1, 12)


def test_a_valuation_uses_the_weights_and_another_backbone_is_refused(calibrated: Calibrated, value: Value) -> None:
    fitted = {"value": {"weights": "fitted", "fitted_weights": calibrated.summary.url}}
    run = open_run(value(calibrated.world.config(**fitted)).url)
    assert run.manifest.weights.values == pytest.approx(calibrated.summary.weights)
    changed = {"backbone": {"random_init": {"seed": 1}}}
    with pytest.raises(ConfigError, match=r"fitted for backbone .* Calibrate for this one"):
        value(calibrated.world.config(**fitted, **changed))


def test_coalitions_are_trained_beside_and_change_no_weight(calibrated: Calibrated, cluster: LazyCluster) -> None:
    summary = calibrate(cluster, config_of(calibrated.world, coalitions="leave-one-out", seeds=1))
    assert (summary.n_trained, summary.n_found) == (6, 6)
    coalitions = pa_table(open_location(summary.url.rpartition("/")[0]).child("coalitions.parquet"))
    assert coalitions["contributor"].to_pylist() == [f"without {n}" for n in ("far", "mixed", "more", "near", "odd", "wide")]


def test_test_rows_that_the_target_has_are_refused(tmp_path: Path) -> None:
    world = world_in(tmp_path)
    with pytest.raises(ValueError, match="are the same place"):
        config_of(world, test=str(world.root / "target") + "/")
    hold_out_test(world, start=35)  # T has seeds 0 to 39
    with pytest.raises(ConfigError, match=r"found 5 of .* in the target too\. Leave them out of one of the two"):
        plan_trainings(config_of(world), ["near"])


def test_the_command_prints_one_document_and_exit_codes(calibrated: Calibrated, prefect_api: None, tmp_path: Path) -> None:
    file = tmp_path / "calibration.yaml"
    file.write_text(yaml.safe_dump(settings(calibrated.world, runtime={"workers": 1})))
    done = invoke("calibrate", file, "--json")
    assert done.exit_code == 0, done.output
    again = json.loads(done.stdout)["url"]  # of another run, where another calibration was published in between
    assert open_location(again).read_bytes() == open_location(calibrated.summary.url).read_bytes()
    file.write_text(yaml.safe_dump(settings(calibrated.world, sedes=1)))
    refused = invoke("calibrate", file)
    assert refused.exit_code == 2
    assert "Did you mean `seeds`?" in refused.stderr


@pytest.mark.slow
def test_it_is_served_and_runs_when_somebody_asks(calibrated: Calibrated, prefect_api: None, tmp_path: Path) -> None:
    """`python -m mixval_flows calibration --serve` in its own process: a run asked for by the API ends with the weights."""
    file = tmp_path / "calibration.yaml"
    file.write_text(yaml.safe_dump(settings(calibrated.world, runtime={"workers": 1})))
    command = [sys.executable, "-m", "mixval_flows", "calibration", str(file), "--serve", "--name", "asked"]
    environment = os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
    log = (tmp_path / "log").open("w")
    with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process, get_client(sync_client=True) as client:
        try:
            run = _asked_for(client, "calibration/asked", process)
            while not (state := client.read_flow_run(run).state).is_final():
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.5)
        finally:
            process.send_signal(signal.SIGTERM)
    log.close()
    assert state.is_completed(), (tmp_path / "log").read_text()


def _asked_for(client: SyncPrefectClient, name: str, process: subprocess.Popen[bytes]) -> UUID:
    """A run of the deployment, which is there once the process serves."""
    while process.poll() is None:
        try:
            return client.create_flow_run_from_deployment(client.read_deployment_by_name(name).id).id
        except ObjectNotFound:
            time.sleep(0.2)
    raise AssertionError(f"the process ended with exit code {process.returncode} before {name} was there")
