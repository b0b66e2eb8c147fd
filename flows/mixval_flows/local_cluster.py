"""A cluster of this machine's processes, which lasts: workers that end are replaced, and a cluster without any is told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from typing import Any

import dask
from distributed import LocalCluster, Nanny
from distributed.core import Status
from distributed.utils import get_mp_context

from mixval.errors import MixvalError
from mixval_tasks.calls import ENDED_TOPIC

PRELOADED = ["mixval_flows.forking", "mixval_flows.preload"]
"""Imported once by the server that local workers are forked from: their imports take 11 s of a core otherwise, for each."""
TRIES = 7
"""Starts of a worker, one after another, before its nanny gives up: it, or what it is forked from, may end while it starts."""
PAUSE_SECONDS = 0.5
"""After the first, doubled each time: a process that ends closes its files, of which others hear, before it counts as ended."""
REPLACED_SECONDS = 3600
"""For a worker to be replaced before Dask takes it off the cluster: by default 15, which imports take on a loaded machine."""
LOOK_SECONDS = 5.0


class LastingNanny(Nanny):  # type: ignore[misc]  # Dask has no types
    """A nanny that tries again where a worker ends, or the process it is forked from, while it starts."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As Dask's."""
        super().__init__(*arguments, **options)
        self._starting = asyncio.Lock()

    @property
    def is_starting(self) -> bool:
        """Whether a worker is being started."""
        return self._starting.locked()

    async def _on_worker_exit(self, exitcode: int) -> None:
        """Tell how it ended, and start another one."""
        if self.status == Status.running:
            with suppress(OSError):  # the cluster ends
                await self._log_event(ENDED_TOPIC, {"worker": self.worker_address, "code": exitcode})
        await super()._on_worker_exit(exitcode)

    async def instantiate(self) -> Status:
        """Start the worker, unless it runs. Dask calls it whenever one has ended, also while it is being started."""
        async with self._starting:
            for n_tried in range(TRIES - 1):
                with suppress(Exception):  # Dask has logged it, and the last try raises it
                    status = await super().instantiate()
                    if status == Status.running or self.status in (Status.closing, Status.closed):
                        return status
                self.process = None  # what is left of it would never start
                await asyncio.sleep(PAUSE_SECONDS * 2**n_tried)
            return await super().instantiate()


def start_local(options: dict[str, Any]) -> LocalCluster:
    """A cluster of local processes; on Linux they are forked from one that has imported what they need."""
    dask.config.set({"distributed.deploy.lost-worker-timeout": REPLACED_SECONDS})
    if sys.platform == "linux":  # elsewhere a fork after such imports is not safe
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
        get_mp_context().set_forkserver_preload(PRELOADED)
        _start_forking()
    lasting = {"worker_class": LastingNanny} if options.get("processes", True) else {}
    return LocalCluster(**(lasting | options))


def _start_forking() -> None:
    """Start the process that workers are forked from, with Ctrl-C blocked until it has a session of its own.

    It has the environment that Dask gives to workers: libraries read there, on their import, that a worker has one thread.
    """
    for name, value in dask.config.get("distributed.nanny.pre-spawn-environ").items():
        os.environ.setdefault(name, str(value))
    resource_tracker.ensure_running()  # started by the next line otherwise, which would unblock it
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def watch(cluster: Any, lost: Callable[[MixvalError], None]) -> None:
    """Call `lost`, on the cluster's loop, when a local cluster has no worker and none is being started."""
    if not isinstance(cluster, LocalCluster):
        return

    def look(n_without: int) -> None:
        if cluster.status != Status.running:
            return
        nannies = [one for one in cluster.workers.values() if isinstance(one, LastingNanny)]
        is_without = not cluster.scheduler.workers and not any(nanny.is_starting for nanny in nannies)
        if is_without and n_without:  # twice: a nanny starts the next worker a moment after one has ended
            lost(
                MixvalError(
                    f"runtime.workers: expected {len(cluster.worker_spec)} worker processes, found none: each ended {TRIES} "
                    "times while it started. See whether the machine has memory left, and run the same command again."
                )
            )
        else:
            cluster.loop.call_later(LOOK_SECONDS, look, n_without + is_without)

    cluster.loop.add_callback(look, 0)
