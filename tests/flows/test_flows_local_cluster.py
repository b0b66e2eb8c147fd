"""Local workers last: a start that fails is tried again, and a cluster that has none left says so."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
from distributed import Nanny
from distributed.core import Status

from mixval.errors import MixvalError
from mixval_flows import local_cluster
from mixval_flows.local_cluster import LastingNanny, start_local, watch
from mixval_flows.runner import NO_DASHBOARD


def instantiated(outcomes: list[Status | Exception], monkeypatch: pytest.MonkeyPatch) -> tuple[Status, int]:
    """What a nanny comes to whose starts end like this, and how many there were."""
    started = iter(outcomes)

    async def start(_nanny: Nanny) -> Status:
        outcome = next(started)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def run() -> Status:
        nanny = LastingNanny.__new__(LastingNanny)
        nanny._starting, nanny.status, nanny.process = asyncio.Lock(), Status.running, None
        return await nanny.instantiate()

    monkeypatch.setattr(local_cluster, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(Nanny, "instantiate", start)
    return asyncio.run(run()), len(outcomes) - len(list(started))


def test_a_start_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [EOFError(), Status.failed, ConnectionRefusedError(), Status.running, Status.running]
    assert instantiated(outcomes, monkeypatch) == (Status.running, 4)


def test_a_worker_that_never_starts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EOFError):
        instantiated([EOFError()] * 9, monkeypatch)


def test_a_cluster_without_workers_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_cluster, "LOOK_SECONDS", 0.01)
    found: list[MixvalError] = []
    told = threading.Event()

    def lost(why: MixvalError) -> None:
        found.append(why)
        told.set()

    with start_local({"n_workers": 0, "processes": False} | NO_DASHBOARD) as cluster:
        watch(cluster, lost)
        assert told.wait(300)
    assert "expected 0 worker processes, found none" in str(found[0])


def test_what_workers_are_forked_from_has_one_thread_for_linear_algebra(monkeypatch: pytest.MonkeyPatch) -> None:
    # Libraries read it when they are imported there. As many threads as cores, in as many workers, took six times as long.
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    for name in names:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # what is set by hand stays
    seen: list[list[str | None]] = []
    monkeypatch.setattr(
        local_cluster.forkserver, "ensure_running", lambda: seen.append([os.environ.get(name) for name in names])
    )
    local_cluster._start_forking()
    assert seen == [["3", "1", "1"]]
