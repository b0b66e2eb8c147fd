"""Calls that workers run in the tests: harmless ones, and ones that kill the process they run in."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from mixval.errors import ConflictError, ShardError, StorageError
from mixval.stages.jobs import MeasureJob


def harmless(number: int) -> int:
    """The number's square."""
    return number * number


def kill_always() -> None:
    """End the worker, as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_once(marker: Path) -> str:
    """End the worker the first time; the next one finds the marker and is done."""
    if not marker.exists():
        marker.touch()
        kill_always()
    return "done"


ERRORS = {error.__name__: error for error in (StorageError, ShardError, ConflictError)}


def fail_once(marker: Path, kind: str) -> str:
    """Raise an error of ours the first time."""
    if not marker.exists():
        marker.touch()
        raise ERRORS[kind]("file:///somewhere: expected an answer, found none. Try again.")
    return "done"


def torch_threads() -> int:
    """Threads that torch uses in this process."""
    import torch

    return torch.get_num_threads()


def resident(jobs: list[MeasureJob]) -> tuple[int, set[int]]:
    """This process, and the identities of the backbones that it holds for the jobs."""
    from mixval.stages.resident import resident_backbone

    return os.getpid(), {id(resident_backbone(job)) for job in jobs}
