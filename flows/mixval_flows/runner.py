"""The cluster of a run: chosen by configuration, started when first needed, stopped with the run."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import dask
from distributed import Client, LocalCluster, Nanny
from distributed.system import MEMORY_LIMIT

from mixval import stopping
from mixval.config.runtime import RuntimeConfig
from mixval.errors import ConfigError, MixvalError, StorageError
from mixval.installing import install_command
from mixval.stages.memory import ALLOCATOR
from mixval.telemetry.observing import tell_worker_memory
from mixval.telemetry.peak import peak_bytes
from mixval_flows.local_cluster import start_local, watch
from mixval_flows.same_versions import require_same_versions
from mixval_flows.worker import prepare
from mixval_tasks.calls import Calls
from mixval_tasks.cluster import in_use, use_cluster

CONNECT_TIMEOUT_SECONDS = 30
CLOSE_TIMEOUT_SECONDS = 20
POLL_SECONDS = 0.2

NO_DASHBOARD = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
"""Left out, Dask would still serve on port 8787 of every interface, and warn when another cluster has it."""


class LazyCluster:
    """A cluster that starts on `warm()` in the background, or on the first `client()`, or never."""

    def __init__(self, runtime: RuntimeConfig) -> None:
        """Nothing starts yet."""
        self._runtime = runtime
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cluster")
        self._client: Future[Client] | None = None
        self._calls: Calls | None = None
        self._starting = threading.Lock()
        self._lost: MixvalError | None = None
        self._stop = ExitStack()
        self._stop.enter_context(stopping.ended_on_stop(self.cancel))

    @property
    def is_local(self) -> bool:
        """Whether workers are processes of this machine, which may be started early at no cost."""
        return self._runtime.cluster in ("auto", "local", "cuda")

    @property
    def is_usable(self) -> bool:
        """Whether it can be given work: it has not started yet, or it runs."""
        if self._lost is not None:
            return False
        if self._client is None or not self._client.done():
            return True
        return self._client.exception() is None and self._client.result().status == "running"

    def warm(self) -> None:
        """Start in the background: processes and imports take seconds that planning and gating can use."""
        self._begin()

    def client(self) -> Client:
        """The client; waits for the start if need be."""
        return self._begin().result()

    def calls(self) -> Calls:
        """What sends calls to its workers; waits for the start if need be."""
        client = self.client()
        with self._starting:
            self._calls = self._calls or Calls(client, self._runtime.retries)
            return self._calls

    def ensure_usable(self) -> None:
        """Raise MixvalError where all workers are lost."""
        if self._lost is not None:
            raise self._lost

    def _begin(self) -> Future[Client]:
        with self._starting:
            self._client = self._client or self._starter.submit(self._started)
            return self._client

    def _started(self) -> Client:
        client = _start(self._runtime)
        watch(client.cluster, self._lose)
        return client

    def _lose(self, why: MixvalError) -> None:
        self._lost = why
        self.cancel()

    def peak_bytes(self) -> int:
        """Most memory that one of its workers has had since it started, as far as they answer; 0 without any."""
        if self._client is None or not self._client.done() or not self.is_usable or stopping.told() is not None:
            return 0
        found = self._client.result().run(peak_bytes, on_error="ignore")
        return max(found.values(), default=0)

    def cancel(self) -> None:
        """Give up all work, so that whoever waits for it goes on: it ends as cancelled."""
        if self._client is not None and self._client.done() and self._client.exception() is None:
            client = self._client.result()
            client.loop.add_callback(_give_up, client)

    def close(self) -> None:
        """Stop what was started. A scheduler given by its address keeps running. What does not end in time ends with us."""
        self._stop.close()
        if self._client is not None and self._client.exception() is None:
            client = self._client.result()
            cluster = client.cluster
            with suppress(TimeoutError, OSError):
                client.close(CLOSE_TIMEOUT_SECONDS)
            if cluster is not None:
                with suppress(TimeoutError, OSError):
                    cluster.close(CLOSE_TIMEOUT_SECONDS)
        self._starter.shutdown()


def _give_up(client: Client) -> None:
    """On the client's loop: end all futures, those that come late as well, and local workers, whose nannies start no others."""
    for state in list(client.futures.values()):
        state.cancel()
    for nanny in getattr(client.cluster, "workers", {}).values():
        if isinstance(nanny, Nanny):
            asyncio.ensure_future(nanny.close(timeout=1, reason="told to stop"))  # noqa: RUF006  kept by the nanny
    if client.status == "running":
        client.loop.call_later(POLL_SECONDS, _give_up, client)


@contextmanager
def cluster_for(runtime: RuntimeConfig) -> Iterator[LazyCluster]:
    """The cluster in use, when an outer block has one (the command line starts it early); else one for this block."""
    if isinstance(outer := in_use(), LazyCluster):
        yield outer
        tell_worker_memory(outer.peak_bytes())
        return
    cluster = LazyCluster(runtime)
    try:
        with use_cluster(cluster):
            yield cluster
            tell_worker_memory(cluster.peak_bytes())
    finally:
        cluster.close()


def worker_memory_bytes(runtime: RuntimeConfig) -> int:
    """Memory of one worker: as configured, else the machine's (or its container's) over the workers."""
    return runtime.worker_memory_bytes or MEMORY_LIMIT // default_workers(runtime)


def default_workers(runtime: RuntimeConfig) -> int:
    """Worker processes of a local cluster: the cores this process may use, over the threads of a worker."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return runtime.workers or max(1, cores // runtime.threads_per_worker)


def cuda_is_usable() -> bool:
    """Whether dask-cuda is installed and a device is found."""
    try:
        importlib.import_module("dask_cuda")
        pynvml = importlib.import_module("pynvml")
        pynvml.nvmlInit()
        return bool(pynvml.nvmlDeviceGetCount() > 0)
    except Exception:
        return False


CALM = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.cycle": "10s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.worker.memory.monitor-interval": "500ms",
}
"""Slower monitoring: by default Dask samples up to a hundred times a second, for a dashboard that is not served here."""


def _start(runtime: RuntimeConfig) -> Client:
    dask.config.set(CALM)
    dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ALLOCATOR.items()})
    # A worker that ends takes what only waits there with it: which call is to blame, and how often, is counted by `Calls`.
    dask.config.set({"distributed.scheduler.allowed-failures": 0})
    logging.getLogger("distributed.scheduler").addFilter(_is_told_otherwise)
    # By default a worker of which nothing is heard for five minutes is replaced; calls have time limits of their own.
    dask.config.set({"distributed.scheduler.worker-ttl": None})
    target = _target(runtime)
    try:
        client = Client(target, timeout=CONNECT_TIMEOUT_SECONDS, set_as_default=False)
    except ValueError as error:
        raise ConfigError(
            f"runtime.cluster: expected an address such as tcp://HOST:8786, found {runtime.cluster!r} ({error}). Correct it."
        ) from error
    except OSError as error:
        raise StorageError(
            f"runtime.cluster: expected a Dask scheduler at {runtime.cluster}, found {error}. Start it, or use `auto`."
        ) from error
    is_own = isinstance(target, LocalCluster) and bool(runtime.cluster_options.get("processes", True))
    if not isinstance(target, LocalCluster):
        require_same_versions(client)
    client.register_plugin(prepare(runtime.threads_per_worker, is_own))
    return client


def _is_told_otherwise(record: logging.LogRecord) -> bool:
    """A filter: not that a call is given up because its worker ended, which Dask says of those that only waited there, too."""
    return "marked as failed because" not in str(record.msg)


def _target(runtime: RuntimeConfig) -> Any:
    kind = runtime.cluster
    if "://" in kind:
        return kind
    if kind == "cuda" or (kind == "auto" and cuda_is_usable()):
        return _cuda(runtime)
    if kind in ("auto", "local"):
        return _local(runtime)
    module, _, name = kind.rpartition(".")
    try:
        cluster_class = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"runtime.cluster: expected auto, local, cuda, an address or a class's dotted name, found {kind!r} ({error})"
        ) from error
    return cluster_class(**runtime.cluster_options)


def _local(runtime: RuntimeConfig) -> LocalCluster:
    memory = runtime.worker_memory_bytes or "auto"
    options = {"n_workers": default_workers(runtime), "threads_per_worker": 1, "memory_limit": memory}
    return start_local(options | NO_DASHBOARD | runtime.cluster_options)


def _cuda(runtime: RuntimeConfig) -> Any:
    dask.config.set({"distributed.worker.multiprocessing-method": "spawn"})  # each has its own device from its environment
    try:
        cluster_class = importlib.import_module("dask_cuda").LocalCUDACluster
    except ImportError as error:
        raise ConfigError(f"runtime.cluster: `cuda` needs dask-cuda, found none. Run: {install_command('gpu')}") from error
    # torch does not allocate from RMM, so RMM is not used.
    given = {"n_workers": runtime.workers, "memory_limit": runtime.worker_memory_bytes}  # else: one a device, of equal shares
    sizes = {name: size for name, size in given.items() if size is not None}
    return cluster_class(**({"threads_per_worker": 1} | sizes | NO_DASHBOARD | runtime.cluster_options))
