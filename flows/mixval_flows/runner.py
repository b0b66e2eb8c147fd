"""The cluster of a run: chosen by configuration, started when first needed, stopped with the run."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.system import MEMORY_LIMIT
from distributed.utils import get_mp_context

from mixval.config.runtime import RuntimeConfig
from mixval.errors import ConfigError, StorageError
from mixval.installing import install_command
from mixval.stages.memory import ALLOCATOR
from mixval_flows.worker import prepare
from mixval_tasks.cluster import in_use, use_cluster

CONNECT_TIMEOUT_SECONDS = 30

NO_DASHBOARD = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
"""Left out, Dask would still serve on port 8787 of every interface, and warn when another cluster has it."""


class LazyCluster:
    """A cluster that starts on `warm()` in the background, or on the first `client()`, or never."""

    def __init__(self, runtime: RuntimeConfig) -> None:
        """Nothing starts yet."""
        self._runtime = runtime
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cluster")
        self._client: Future[Client] | None = None

    @property
    def is_local(self) -> bool:
        """Whether workers are processes of this machine, which may be started early at no cost."""
        return self._runtime.cluster in ("auto", "local", "cuda")

    def warm(self) -> None:
        """Start in the background: processes and imports take seconds that planning and gating can use."""
        self._begin()

    def client(self) -> Client:
        """The client; waits for the start if need be."""
        return self._begin().result()

    def _begin(self) -> Future[Client]:
        if self._client is None:
            self._client = self._starter.submit(_start, self._runtime)
        return self._client

    def close(self) -> None:
        """Stop what was started. A scheduler given by its address keeps running."""
        if self._client is not None and self._client.exception() is None:
            client = self._client.result()
            cluster = client.cluster
            client.close()
            if cluster is not None:
                cluster.close()
        self._starter.shutdown()


@contextmanager
def cluster_for(runtime: RuntimeConfig) -> Iterator[LazyCluster]:
    """The cluster in use, when an outer block has one (the command line starts it early); else one for this block."""
    if isinstance(outer := in_use(), LazyCluster):
        yield outer
        return
    cluster = LazyCluster(runtime)
    try:
        with use_cluster(cluster):
            yield cluster
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

PRELOADED = ["distributed", "mixval_flows.preload"]
"""Imported once by the server that local workers are forked from: their imports take 8 s of a core otherwise, for each."""


def _start(runtime: RuntimeConfig) -> Client:
    dask.config.set(CALM)
    dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ALLOCATOR.items()})
    # A worker that died with a task may take it this often again before the task is given up.
    dask.config.set({"distributed.scheduler.allowed-failures": runtime.retries})
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
    client.register_plugin(prepare(runtime.threads_per_worker))
    return client


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
    if sys.platform == "linux":  # elsewhere a fork after such imports is not safe
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
        get_mp_context().set_forkserver_preload(PRELOADED)
    workers = default_workers(runtime)
    memory = runtime.worker_memory_bytes or "auto"
    options = {"n_workers": workers, "threads_per_worker": 1, "memory_limit": memory}
    return LocalCluster(**(options | NO_DASHBOARD | runtime.cluster_options))


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
