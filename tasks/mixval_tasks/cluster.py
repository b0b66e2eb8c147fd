"""Calls from Prefect tasks to the Dask cluster.

Prefect tasks run on threads of the flow's process and wait there; the work itself goes to one shared Dask client. Measured
against tasks that run on the workers themselves this costs 14 ms a task instead of 80 to 170 ms, workers need no Prefect
API, and a task whose worker died fails instead of running for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from distributed import Client

from mixval import stopping
from mixval.contracts.record import ArtifactRef
from mixval.errors import ConfigError
from mixval.storage.commit import ArtifactStore
from mixval_tasks.calls import Call, Calls

R = TypeVar("R")


class HasClient(Protocol):
    """A cluster that starts when it is first needed."""

    def client(self) -> Client:
        """The client of the running cluster."""

    def calls(self) -> Calls:
        """What sends calls to its workers."""

    def ensure_usable(self) -> None:
        """Raise MixvalError where all of its workers are lost."""


_CURRENT: ContextVar[HasClient | None] = ContextVar("mixval_cluster", default=None)


@contextmanager
def use_cluster(cluster: HasClient) -> Iterator[None]:
    """Within this block `on_cluster` sends work to `cluster`; threads of Prefect's runner inherit it."""
    token = _CURRENT.set(cluster)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def in_use() -> HasClient | None:
    """The cluster in use, if there is one."""
    return _CURRENT.get()


def ensure_goes_on() -> None:
    """Raise KeyboardInterrupt where the process was told to stop, MixvalError where the cluster in use has lost its workers."""
    stopping.check()
    if (cluster := in_use()) is not None:
        cluster.ensure_usable()


def current_client() -> Client:
    """The client of the cluster in use.

    Raises KeyboardInterrupt where the process was told to stop: nobody would wait for new work.
    """
    return _current().client()


def on_cluster(call: Callable[..., R], *arguments: Any, label: str = "", most_seconds: float | None = None) -> R:
    """The call's result, computed on a worker. `label` is what a message calls it.

    Raises LimitError where it takes more than `most_seconds` or than a worker's memory, EndedWorkerError where its worker ends
    while it runs, time after time (`runtime.retries`).
    """
    result: R = map_on_cluster(call, [arguments], label, most_seconds)[0]
    return result


def committed_or_made(
    store: ArtifactStore,
    ref: ArtifactRef,
    call: Callable[..., ArtifactRef],
    *arguments: Any,
    label: str,
    most_seconds: float | None = None,
) -> ArtifactRef:
    """The artifact's reference; the call makes it on a worker where it does not exist yet."""
    if store.committed(ref) is not None:
        return ref
    return on_cluster(call, *arguments, label=label, most_seconds=most_seconds)


def map_on_cluster(
    call: Callable[..., R], arguments: Sequence[tuple[Any, ...]], label: str = "", most_seconds: float | None = None
) -> list[R]:
    """Results of one call over many small argument tuples, fanned out in a single submission (2 to 3 ms each).

    Raises as `on_cluster` does for each of them.
    """
    calls = [Call(call, one, label or call.__name__, most_seconds) for one in arguments]
    return _current().calls().results(calls)


def _current() -> HasClient:
    ensure_goes_on()
    cluster = in_use()
    if cluster is None:
        raise ConfigError(
            "a task needs a cluster: expected one in use, found none. Run the flow, or put the call inside "
            "`with cluster_for(config.runtime):` of `mixval_flows.runner`."
        )
    return cluster
