"""Which cluster a run gets, how its workers are prepared, and what they share out and keep."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dask
import numpy as np
import pytest
import torch
from distributed import Client, LocalCluster
from distributed.security import Security

from mixval.config.backbone import BackboneConfig, LoraConfig
from mixval.config.runtime import RuntimeConfig
from mixval.errors import ConfigError, StorageError
from mixval.stages import gating, gradients
from mixval.stages.footprint import probe_footprint
from mixval.stages.in_process import prepare_here
from mixval.stages.jobs import MeasureJob, contributor_job
from mixval.stages.routes import route_of
from mixval_flows import runner
from mixval_flows.runner import LazyCluster
from mixval_tasks.cluster import current_client, use_cluster
from mixval_tasks.measure import run_step
from tests.flows import poison
from tests.worlds import BACKBONES, World, planted


@pytest.fixture
def torch_threads_kept() -> Iterator[None]:
    """In-process workers set this process's threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nothing_starts_before_it_is_asked_for() -> None:
    unknown = RuntimeConfig(cluster="no.such.Cluster")
    LazyCluster(unknown).close()
    asked = LazyCluster(unknown)
    with pytest.raises(ConfigError, match=r"no\.such\.Cluster"):
        asked.client()
    asked.close()


def test_a_running_scheduler_is_joined_and_lives_on(torch_threads_kept: None) -> None:
    with LocalCluster(n_workers=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0") as running:
        lazy = LazyCluster(RuntimeConfig(cluster=running.scheduler_address, threads_per_worker=2))
        assert lazy.client().submit(poison.harmless, 7).result() == 49
        assert set(lazy.client().run(poison.torch_threads).values()) == {2}
        lazy.close()
        with Client(running.scheduler_address, set_as_default=False) as other:
            assert other.submit(poison.harmless, 8).result() == 64


def test_a_dotted_class_is_called_with_its_options(torch_threads_kept: None) -> None:
    options = {"n_workers": 2, "processes": False, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    lazy = LazyCluster(RuntimeConfig(cluster="distributed.LocalCluster", cluster_options=options))
    client = lazy.client()
    assert isinstance(client.cluster, LocalCluster)
    assert len(client.scheduler_info()["workers"]) == 2
    lazy.close()
    assert client.status == "closed"


def test_a_worker_with_another_mixval_is_refused_before_work_is_sent(tmp_path: Path) -> None:
    other = tmp_path / "mixval-0.0.1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: mixval\nVersion: 0.0.1\n")
    with LocalCluster(n_workers=0, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0") as running:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", running.scheduler_address]
        options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path)]
        before = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
        worker = subprocess.Popen([*command, *options], env=before, stderr=subprocess.DEVNULL)
        lazy = LazyCluster(RuntimeConfig(cluster=running.scheduler_address))
        try:
            with Client(running.scheduler_address, set_as_default=False) as other_client:
                other_client.wait_for_workers(1)
            with pytest.raises(
                ConfigError, match=r"expected workers with the versions of this process, found .*mixval 0\.0\.1 \(here "
            ):
                lazy.client()
        finally:
            lazy.close()
            worker.kill()
            worker.wait()


def test_a_scheduler_behind_tls_is_joined_with_the_keys_of_dask_s_configuration(
    tmp_path: Path, torch_threads_kept: None
) -> None:
    own = Security.temporary()
    keys = {"ca-file": own.tls_ca_file, "client.key": own.tls_client_key, "client.cert": own.tls_client_cert}
    for name, content in keys.items():
        (tmp_path / name).write_text(content)
    settings = {f"distributed.comm.tls.{name}": str(tmp_path / name) for name in keys}
    with LocalCluster(
        n_workers=1, processes=False, protocol="tls://", security=own, dashboard_address="127.0.0.1:0"
    ) as running:
        assert running.scheduler_address.startswith("tls://")
        with dask.config.set(settings):
            lazy = LazyCluster(RuntimeConfig(cluster=running.scheduler_address))
            assert lazy.client().submit(poison.harmless, 7).result() == 49
            lazy.close()


def test_an_address_where_nobody_listens_is_a_storage_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CONNECT_TIMEOUT_SECONDS", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    lazy = LazyCluster(RuntimeConfig(cluster=address))
    with pytest.raises(StorageError, match=f"expected a Dask scheduler at {address}, found .*Start it, or use `auto`"):
        lazy.client()
    lazy.close()


@pytest.mark.parametrize("cluster", ["http://127.0.0.1:8786", "nobody.knows.this.Cluster", "distributed.NoSuchCluster", "loca"])
def test_a_cluster_that_cannot_be_meant_is_a_configuration_error(cluster: str) -> None:
    lazy = LazyCluster(RuntimeConfig(cluster=cluster))
    with pytest.raises(ConfigError, match=r"runtime\.cluster: expected .*found") as caught:
        lazy.client()
    assert cluster in str(caught.value)
    lazy.close()


def test_two_clusters_share_a_machine_without_a_word(cluster: LazyCluster) -> None:
    """Dask serves on port 8787 unless told otherwise, and warns where another one has it: an error in these tests."""
    address = cluster.client().cluster.scheduler.http_server.address
    assert address == "127.0.0.1"
    assert cluster.client().cluster.scheduler.http_server.port != 8787


def jobs_of(world: World, **changes: object) -> tuple[list[MeasureJob], MeasureJob]:
    """The measure jobs of the planted contributors, and the target's."""
    config = world.config(**changes)
    prepared = prepare_here(config)
    jobs = []
    for one in prepared.plan.contributors:
        outcome = gating.read_outcome(config, gating.gate_contributor(config, one, prepared.target))
        jobs.append(contributor_job(config, one, outcome, prepared.identity, prepared.classes))
    return jobs, prepared.target_job


def test_workers_use_the_threads_that_were_asked_for(cluster: LazyCluster) -> None:
    assert list(cluster.client().run(poison.torch_threads).values()) == [1, 1]


def test_a_worker_loads_a_backbone_once_for_all_contributors(cluster: LazyCluster, tmp_path: Path) -> None:
    jobs, target = jobs_of(planted(tmp_path, "language-modelling"))
    seen = [cluster.client().run(poison.resident, [*jobs, target]) for _ in range(2)]
    first, second = (dict(one.values()) for one in seen)
    assert first == second
    assert len(first) == 2
    assert all(len(backbones) == 1 for backbones in first.values())


def test_random_weights_are_the_same_in_every_process(cluster: LazyCluster) -> None:
    config = BackboneConfig(**BACKBONES["text-classification"], lora=LoraConfig(rank=2))
    there = cluster.client().run(poison.weights, config)
    assert len(there) == 2
    assert set(there.values()) == {poison.weights(config)}
    assert poison.weights(config.model_copy(update={"lora": None})) not in there.values()


def test_groups_of_layers_give_the_gram_of_one_pass_and_are_cleared_away(cluster: LazyCluster, tmp_path: Path) -> None:
    world = planted(tmp_path, "language-modelling")
    exact = {"backbone": {"dtype": "float64"}}
    jobs, target = jobs_of(world, **exact)
    whole = next(job for job in jobs if job.contributor.name == "near")
    budget = 8 * sum(probe_footprint(whole).weight_bytes.values())  # of 24 rows
    tight = {"runtime": {"gradient_bytes": budget}, "output": str(tmp_path / "grouped")}
    grouped = next(job for job in jobs_of(world, **exact, **tight)[0] if job.contributor.name == "near")
    assert whole.contributor.n_passes == len(gradients.gram_parts(whole)) == 1
    assert grouped.contributor.n_passes >= len(gradients.gram_parts(grouped)) > 2

    with use_cluster(cluster):
        steps = [route_of(job.ntk.method).own_steps(job, target)[0] for job in (whole, grouped)]
        one, many = (step.store.read_tensors(run_step.fn(step)) for step in steps)

    assert one["theta"].shape == (24, 24)
    for name, expected in one.items():
        np.testing.assert_allclose(many[name], expected, rtol=1e-6, err_msg=name)
    left = {path.name for path in (tmp_path / "grouped" / "artifacts").iterdir() if any(f.is_file() for f in path.rglob("*"))}
    assert left == {"footprint", "gate", "gram", "target-profile"}


def test_a_task_without_a_cluster_says_where_to_get_one() -> None:
    with pytest.raises(ConfigError, match=r"expected one in use, found none. Run the flow, or put the call inside"):
        current_client()
