"""Steps of a run: which artifact each makes, what it waits for, and the calls that make it.

A flow submits steps to a cluster (`tasks/mixval_tasks/measure.py`); `in_process.py` makes them one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mixval.contracts.record import ArtifactRef
from mixval.storage.commit import ArtifactStore


@dataclass(frozen=True)
class Work:
    """A call that commits an artifact, after pieces of it that may be made side by side.

    Calls are module functions and arguments small frozen objects, so that both can be sent to a worker. Pieces commit what
    they make; the call reads it from the store.
    """

    call: Callable[..., ArtifactRef]
    arguments: tuple[Any, ...]
    piece: Callable[..., Any] | None = None
    pieces: Sequence[tuple[Any, ...]] = ()
    """Arguments of `piece`, one tuple a piece."""


@dataclass(frozen=True)
class Step:
    """One artifact of a run that is to be made."""

    label: str
    """Its label in the progress display: `statistics news-03`."""
    store: ArtifactStore
    ref: ArtifactRef
    work: Callable[[], Work]
    """Called only where the artifact is not there yet."""
    after: tuple[ArtifactRef, ...] = ()
    """Artifacts that must be there first."""

    @property
    def is_done(self) -> bool:
        """Whether the artifact is there."""
        return self.store.committed(self.ref) is not None


def one_call(
    label: str,
    store: ArtifactStore,
    ref: ArtifactRef,
    call: Callable[..., ArtifactRef],
    *arguments: Any,
    after: Sequence[Step] = (),
) -> Step:
    """The step of a single call, after other steps."""
    return Step(label, store, ref, lambda: Work(call, arguments), refs_of(after))


def refs_of(steps: Sequence[Step]) -> tuple[ArtifactRef, ...]:
    """The artifacts that steps make."""
    return tuple(step.ref for step in steps)


def make_here(step: Step) -> ArtifactRef:
    """The step's artifact, made in this process unless it is there, its pieces one after another."""
    if not step.is_done:
        work = step.work()
        if work.piece is not None:
            for arguments in work.pieces:
                work.piece(*arguments)
        work.call(*work.arguments)
    return step.ref
