"""Progress of a run, reported to a front end: a terminal, a log, Prefect, or none.

The library and the flow report events; the front end displays them. `current()` is a context variable, so that a flow
need not pass a front end through its parameters.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Progress(Protocol):
    """The events that a front end receives."""

    def begin(self, stage: str, total: int) -> None:
        """A stage starts and will take `total` steps (0: unknown)."""

    def step(self, stage: str, words: str) -> None:
        """One step of the stage is done; `words` names it."""

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        """Of the step `name` of the stage, or of `TARGET`, `done` of about `total` row passes are done.

        May come from another thread.
        """

    def end(self, stage: str, words: str) -> None:
        """The stage is done; `words` is its result."""


class Silence:
    """No front end: events are dropped."""

    def begin(self, stage: str, total: int) -> None:
        """Nothing."""

    def step(self, stage: str, words: str) -> None:
        """Nothing."""

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        """Nothing."""

    def end(self, stage: str, words: str) -> None:
        """Nothing."""


TARGET = "target"
"""What T's rows are called. They pass before those of contributors and are no step of a stage."""
RowsPassed = Callable[[str, int], None]
"""Called with a contributor, or `TARGET`, and rows of it that have been through a pass."""
_WATCHERS: list[RowsPassed] = []
"""One at most."""


def watch_rows(tell: RowsPassed) -> None:
    """From now on `tell` is called for every batch of rows that passes in this process, from whichever thread passes it."""
    _WATCHERS[:] = [tell]


@contextmanager
def watched_by(tell: RowsPassed) -> Iterator[None]:
    """The same within this block alone."""
    before = list(_WATCHERS)
    watch_rows(tell)
    try:
        yield
    finally:
        _WATCHERS[:] = before


def rows_passed(name: str, n: int) -> None:
    """Tell who watches that `n` rows of a contributor have been through a pass."""
    for tell in _WATCHERS:
        tell(name, n)


_CURRENT: ContextVar[Progress | None] = ContextVar("mixval_progress", default=None)


def current() -> Progress:
    """The front end in charge; `Silence` when there is none."""
    return _CURRENT.get() or Silence()


@contextmanager
def shown_by(progress: Progress) -> Iterator[Progress]:
    """Within this block, `current()` is `progress`."""
    token = _CURRENT.set(progress)
    try:
        yield progress
    finally:
        _CURRENT.reset(token)


class RowsShown:
    """Adds up the rows that pass in a stage, and tells the front end in charge of them."""

    def __init__(self, stage: str, totals: Mapping[str, int]) -> None:
        """`totals` are the row passes planned, by name; rows of other names are none of this run's."""
        self._stage, self._totals, self._progress = stage, totals, current()
        self._done = Counter[str]()

    def __call__(self, name: str, n: int) -> None:
        """`n` more rows of `name` have passed."""
        if name in self._totals:
            self._done[name] += n
            self._progress.part(self._stage, name, self._done[name], self._totals[name])
