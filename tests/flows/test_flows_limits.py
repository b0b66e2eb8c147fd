"""Rows that end a worker, hang it or fill its memory: their contributor fails by name, and nobody else does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mixval.config.runtime import RuntimeConfig
from mixval.errors import EndedWorkerError, LimitError
from mixval.publish.stored_run import open_run
from mixval.stages.limits import most_seconds, with_limits
from mixval.stages.preparing import prepare_run, stash_prepared
from mixval.stages.routes.base import PROCESS_BYTES
from mixval_flows.runner import LazyCluster
from mixval_flows.valuation import valuation
from mixval_tasks.cluster import map_on_cluster, on_cluster, use_cluster
from tests.flows import poison
from tests.flows.conftest import Ran
from tests.worlds import planted, rows

MEMORY_BYTES = 2 * PROCESS_BYTES
HOSTILE = {
    "kills-gate": ["gate kills-gate", "its worker process ended", "2 times (`runtime.retries: 1`)"],
    "hangs-gate": ["gate hangs-gate", "within 0.5 s", "`runtime.task_seconds`"],
    "kills-measure": ["forward kills-measure", "its worker process ended", "2 times"],
    "fills-measure": ["forward fills-measure", "the memory of a worker", "`runtime.worker_memory_bytes`"],
}
"""Contributor -> what its reason must say."""


@pytest.fixture(scope="module")
def doomed() -> Iterator[LazyCluster]:
    """Two workers of their own to end."""
    lazy = LazyCluster(RuntimeConfig(workers=2, retries=1, worker_memory_bytes=MEMORY_BYTES))
    yield lazy
    lazy.close()


def on(cluster: LazyCluster, call: Callable[..., Any], *arguments: Any, **limits: Any) -> Any:
    """The call's result, for a thread of its own."""
    with use_cluster(cluster):
        return on_cluster(call, *arguments, **limits)


def test_who_ends_workers_is_told_from_who_waited_there(doomed: LazyCluster) -> None:
    with ThreadPoolExecutor(24) as threads:
        poisoned = [threads.submit(on, doomed, poison.kill_always, label=f"gate bad-{i}") for i in range(2)]
        harmless = [threads.submit(on, doomed, poison.harmless, number) for number in range(20)]
        assert [future.result() for future in harmless] == [number**2 for number in range(20)]
        for i, one in enumerate(poisoned):
            with pytest.raises(EndedWorkerError, match=rf"gate bad-{i}: .*while it ran, 2 times \(`runtime.retries: 1`\)"):
                one.result()


def test_a_worker_that_ends_once_costs_nothing_but_time(doomed: LazyCluster, tmp_path: Path) -> None:
    with use_cluster(doomed):
        assert map_on_cluster(poison.kill_once, [(tmp_path / "many",)] * 6) == ["done"] * 6


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_a_worker_begins_with_what_models_need(doomed: LazyCluster) -> None:
    """It would import that with its first model otherwise; none was loaded on these."""
    assert set(doomed.client().run(poison.has_imported, "transformers.modeling_utils").values()) == {True}


def test_native_code_that_never_ends_is_ended_from_outside(doomed: LazyCluster) -> None:
    with ThreadPoolExecutor(5) as threads:
        hung = threads.submit(on, doomed, poison.hang, label="gate hung", most_seconds=0.5)
        harmless = [threads.submit(on, doomed, poison.harmless, number, most_seconds=3600) for number in range(4)]
        assert [future.result() for future in harmless] == [number**2 for number in range(4)]
        with pytest.raises(LimitError, match=r"gate hung: expected an end within 0\.5 s, which `runtime\.task_seconds` sets"):
            hung.result()


def test_a_worker_over_its_memory_is_ended_and_the_call_named(doomed: LazyCluster) -> None:
    with pytest.raises(LimitError, match=r"gate full: expected at most the memory of a worker.*ended at .* GiB, 2 times"):
        on(doomed, poison.fill, MEMORY_BYTES, label="gate full")


def test_each_hostile_contributor_fails_alone_and_the_others_values_are_unchanged(
    prefect_api: None, doomed: LazyCluster, ran: Ran, tmp_path: Path
) -> None:
    world = planted(tmp_path, "language-modelling", gate={"data_docs": True})
    for i, name in enumerate(HOSTILE):
        world.contribute(name, rows(world.task, 20, start=50_000 + 100 * i))
    config = world.config()
    prepared = prepare_run(config, 2, 4 * MEMORY_BYTES)
    limits = [
        one.model_copy(update={"most_seconds": 0.5 if one.name == "hangs-gate" else 3600.0})
        for one in prepared.plan.contributors
    ]
    object.__setattr__(prepared, "plan", prepared.plan.model_copy(update={"contributors": limits}))
    doomed.client().register_plugin(poison.Hostile())
    with use_cluster(doomed), stash_prepared(config, prepared):
        summary = valuation(config)
    run, alone = open_run(summary.url), open_run(ran.summary.url)
    reasons = {one.contributor: one.reason or "" for one in run.manifest.outcomes if one.verdict == "failed"}
    assert set(reasons) == set(HOSTILE)
    for name, expected in HOSTILE.items():
        assert not [words for words in expected if words not in reasons[name]], reasons[name]
    assert run.ranking.select(["contributor", "value"]).equals(alone.ranking.select(["contributor", "value"]))


def test_the_plan_says_what_a_task_may_take(tmp_path: Path) -> None:
    plan = prepare_run(planted(tmp_path, "language-modelling").config(), 2, 2**33).plan
    one = plan.contributors[0]
    assert one.most_seconds == most_seconds(one, RuntimeConfig()) >= 600 + 20 * one.seconds
    assert any("runtime.worker" not in note and "8.0 GiB; the contributor fails then" in note for note in plan.notes)
    given = with_limits(plan, RuntimeConfig(task_seconds=7))
    assert {contributor.most_seconds for contributor in given.contributors} == {7}
    assert "after 7 s at the latest (`runtime.task_seconds`)" in given.notes[-1]


def test_a_file_of_many_rows_to_the_byte_gets_no_time_for_them(tmp_path: Path) -> None:
    one = prepare_run(planted(tmp_path, "language-modelling").config(), 2, 2**33).plan.contributors[0]
    boasting = one.model_copy(update={"n_rows": 10**12})
    assert most_seconds(boasting, RuntimeConfig()) < 3600
