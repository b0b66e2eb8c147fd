"""Ctrl-C during long work: it interrupts at once, or at the next progress event at the latest.

Python raises KeyboardInterrupt wherever the main thread happens to be. In a callback of the garbage collector, a destructor or
a library's own clean-up it is printed and lost, and the work would go on to its end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mixval.progress import Progress


@contextmanager
def interruptible(progress: Progress) -> Iterator[Progress]:
    """The same progress, which raises KeyboardInterrupt at its next event where an interrupt within this block was lost.

    Outside the main thread, where Python delivers no signal, the progress is returned unchanged.
    """
    if threading.current_thread() is not threading.main_thread():
        yield progress
        return
    checking = _InterruptibleProgress(progress)
    before = signal.signal(signal.SIGINT, checking.interrupted)
    try:
        yield checking
    finally:
        signal.signal(signal.SIGINT, before)


class _InterruptibleProgress:
    """Passes every event on, or raises KeyboardInterrupt if an interrupt came before it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._is_interrupted = False

    def interrupted(self, signum: int, frame: FrameType | None) -> None:
        """The handler of the signal."""
        self._is_interrupted = True
        signal.default_int_handler(signum, frame)

    def begin(self, stage: str, total: int) -> None:
        self._check()
        self._progress.begin(stage, total)

    def step(self, stage: str, words: str) -> None:
        self._check()
        self._progress.step(stage, words)

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        self._progress.part(stage, name, done, total)  # from a thread where an interrupt would end nothing

    def end(self, stage: str, words: str) -> None:
        self._check()
        self._progress.end(stage, words)

    def _check(self) -> None:
        if self._is_interrupted:
            raise KeyboardInterrupt
