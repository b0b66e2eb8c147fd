"""The decorator of all tasks: no Prefect cache (artifacts are committed under fingerprints), retries for storage errors
only."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import MissingContextError
from prefect.utilities.annotations import quote

from mixval.errors import ChangedFileError, ConflictError, LostArtifactError, StorageError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

RETRY_DELAYS_SECONDS = [1.0, 5.0]
_LASTING = (ChangedFileError, ConflictError, LostArtifactError)
"""Storage errors that are results: the same call again would end alike."""


def house_task(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Decorate a thin task. Its body may run twice, so it must commit whole objects under a fingerprint."""
    return task(
        task_run_name=name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=len(RETRY_DELAYS_SECONDS),
        retry_delay_seconds=RETRY_DELAYS_SECONDS,
        retry_jitter_factor=0.2,
        retry_condition_fn=_is_storage_trouble,
    )


def log_run(words: str, *given: object) -> None:
    """A line in Prefect's log of the run; nothing where a flow or task is called as a plain function."""
    with suppress(MissingContextError):
        get_run_logger().info(words, *given)


def opaque(job: T) -> T:
    """A task argument that Prefect passes on without inspecting it.

    Prefect looks for futures in every field of an argument, three times a task; frozen jobs contain none, and for a contributor
    with many shards the search costs more than the task.
    """
    return cast("T", quote(job))


def _is_storage_trouble(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Storage errors are often temporary; bad rows and singular matrices are not. Nor are `_LASTING` ones."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StorageError) and not isinstance(error, _LASTING)
