"""Calls that workers run in the tests: harmless ones, and ones that kill the process they run in."""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin

from mixval.config.backbone import BackboneConfig
from mixval.contracts.record import ArtifactRef
from mixval.errors import ConflictError, ShardError, StorageError
from mixval.gate.check import GateCheck
from mixval.stages import forward, gating
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


def hang() -> None:
    """Wait for ever in native code that lets no other thread of this process run."""
    ctypes.PyDLL(None).pause()


def fill(n_bytes: int) -> None:
    """Take so much memory, and keep it until the process is ended."""
    held = b"x" * n_bytes
    signal.pause()
    del held


def ask(n_bytes: int) -> int:
    """The length of a text of so many bytes."""
    return len(b"x" * n_bytes)


class Hostile(WorkerPlugin):  # type: ignore[misc]  # Dask has no types
    """Contributors whose rows end a worker, hang it, or fill its memory, by their names."""

    name = "hostile"

    def setup(self, worker: Worker) -> None:  # noqa: ARG002  as Dask calls it
        """Each does as its name says when its rows are read."""
        check, passed = gating.check_contributor, forward.forward_pass

        def checked(name: str, *arguments: Any, **options: Any) -> GateCheck:
            if name == "kills-gate":
                kill_always()
            if name == "hangs-gate":
                hang()
            return check(name, *arguments, **options)

        def measured(job: MeasureJob) -> ArtifactRef:
            if job.contributor.name == "kills-measure":
                kill_always()
            if job.contributor.name == "fills-measure":
                ask(2**46)
            return passed(job)

        gating.check_contributor = checked
        forward.forward_pass = measured


ERRORS = {error.__name__: error for error in (StorageError, ShardError, ConflictError)}


def fail_once(marker: Path, kind: str) -> str:
    """Raise an error of ours the first time."""
    if not marker.exists():
        marker.touch()
        raise ERRORS[kind]("file:///somewhere: expected an answer, found none. Try again.")
    return "done"


def has_imported(module: str) -> bool:
    """Whether this process has it."""
    return module in sys.modules


def torch_threads() -> int:
    """Threads that torch uses in this process."""
    import torch

    return torch.get_num_threads()


def weights(config: BackboneConfig) -> str:
    """A digest of every bit of the backbone that this process makes."""
    from mixval.models.load import load_backbone

    state = load_backbone(config, "text-classification", [0, 1]).module.state_dict()
    return hashlib.sha256(b"".join(tensor.contiguous().numpy().tobytes() for tensor in state.values())).hexdigest()


def resident(jobs: list[MeasureJob]) -> tuple[int, set[int]]:
    """This process, and the identities of the backbones that it holds for the jobs."""
    from mixval.stages.resident import resident_backbone

    return os.getpid(), {id(resident_backbone(job)) for job in jobs}
