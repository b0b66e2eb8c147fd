"""Whether this process was told to stop, and what ends its running work then.

The command line hears the signals (`mixval/cli/interrupts.py`). Who runs work elsewhere says here how it is ended, and who
must not be interrupted half-way, as a publication, holds the interrupt back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _State:
    told: int | None = None
    n_holding = 0
    is_over = False


_STATE = _State()
_ENDS: list[Callable[[], None]] = []


def tell(signum: int | None) -> None:
    """This process was told to stop by this signal; the first one counts. None: forget it, for a process that goes on."""
    _STATE.told = signum if _STATE.told is None or signum is None else _STATE.told


def told() -> int | None:
    """The signal by which this process was told to stop; None when it was not."""
    return _STATE.told


def may_interrupt() -> bool:
    """Whether an interrupt may be raised now: nothing is being published, and the run's result is not published yet."""
    return _STATE.n_holding == 0 and not _STATE.is_over


def is_held_back() -> bool:
    """Whether something goes on that must not be interrupted half-way."""
    return _STATE.n_holding > 0


def check() -> None:
    """Raise KeyboardInterrupt if the process was told to stop and may be interrupted here."""
    if _STATE.told is not None and may_interrupt():
        raise KeyboardInterrupt(_STATE.told)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within this block no interrupt is raised; one that came is raised at its end, unless the result is published by then."""
    _STATE.n_holding += 1
    try:
        yield
    finally:
        _STATE.n_holding -= 1
    check()


def begin() -> None:
    """A run begins, whose result is not published."""
    _STATE.is_over = False


def over() -> None:
    """The run's result is published: from here on it is a success, and what is left to do ends nothing."""
    _STATE.is_over = True


def is_over() -> bool:
    """Whether the run's result is published."""
    return _STATE.is_over


@contextmanager
def ended_on_stop(end: Callable[[], None]) -> Iterator[None]:
    """Within this block `end` is called, from another thread, when the process is told to stop. It must be quick."""
    _ENDS.append(end)
    try:
        yield
    finally:
        _ENDS.remove(end)


def end_running() -> None:
    """Call all that ends running work, each in a thread of its own, so that none waits for another."""
    for end in list(_ENDS):
        threading.Thread(target=end, daemon=True, name="ends running work").start()
