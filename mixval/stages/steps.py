"""Steps of a run: which artifact each makes, what it waits for, and the calls that make it.

A flow submits steps to a cluster (`tasks/mixval_tasks/measure.py`); `make_here` makes one in this process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mixval.contracts.record import ArtifactRef
from mixval.errors import LostArtifactError
from mixval.storage.commit import ArtifactStore
from mixval.storage.damage import tell_damage

MOST_LOST = 5
"""Times that what a step reads is made again, before the store is taken for one that does not keep what is written."""
_AGAIN = threading.RLock()
"""Held while what a step reads is made again: steps that share it find it made."""


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
    after: tuple[Step, ...] = ()
    """Steps whose artifacts must be there first."""
    reads: Callable[[], Sequence[Step]] = tuple
    """Steps of earlier stages whose artifacts its calls read besides: made again where one is lost."""
    most_seconds: float | None = None
    """Seconds that each of its calls may take on a worker. None: no limit."""

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
    reads: Callable[[], Sequence[Step]] = tuple,
) -> Step:
    """The step of a single call, after other steps."""
    return Step(label, store, ref, lambda: Work(call, arguments), tuple(after), reads)


def refs_of(steps: Sequence[Step]) -> tuple[ArtifactRef, ...]:
    """The artifacts that steps make."""
    return tuple(step.ref for step in steps)


def make_step(step: Step, do: Callable[[Step], object]) -> ArtifactRef:
    """The step's artifact: found, or made by `do`, which carries a step's work out.

    Where an artifact that the work reads is missing or damaged, the step that makes it is made first, and told. Raises
    LostArtifactError where it is lost time after time.
    """
    n_lost = 0
    while not step.is_done:
        try:
            do(step)
        except LostArtifactError as error:
            if error.found:  # by a worker, whose own account nobody reads
                tell_damage(error.url, f"{error.found}. Discarded, to be made again")
            n_lost += 1
            if n_lost > MOST_LOST:
                raise
            with _AGAIN:
                for one in (*step.reads(), *step.after):
                    make_step(one, do)
        else:
            break
    return step.ref


def make_here(step: Step) -> ArtifactRef:
    """The step's artifact, made in this process unless it is there, its pieces one after another."""
    return make_step(step, _here)


def _here(step: Step) -> None:
    work = step.work()
    if work.piece is not None:
        for arguments in work.pieces:
            work.piece(*arguments)
    work.call(*work.arguments)
