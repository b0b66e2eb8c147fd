"""Ctrl-C, SIGTERM and SIGHUP: running work is ended first, and the process is gone in time whatever hangs.

Python runs a handler between two instructions of the main thread. That may be in a call that takes minutes, or where the
exception is printed and lost: a callback of the garbage collector, a destructor, a library's own clean-up. So another thread
hears of signals as well, through a pipe into which the interpreter writes them at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from mixval import stopping
from mixval.progress import Progress

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
GRACE_SECONDS = 8.0
"""From the first signal to the end by force; `docker stop` waits for ten."""
LONGEST_SECONDS = 25.0
"""The same while a result is being published: what is written to a distant store takes its time, and is then a success."""
LOOK_SECONDS = 0.5
STORED = "finished work is stored, run the same command again to continue"
SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def stoppable() -> Iterator[None]:
    """Within this block the process stops when it is told to.

    The first signal ends running work and raises KeyboardInterrupt in the main thread, or at the next progress event where that
    was lost. A second Ctrl-C, or `GRACE_SECONDS`, ends the process with 128 plus the signal's number; 0 where its result is
    published. A publication that is under way has `LONGEST_SECONDS`. SIGHUP is left alone where it is ignored (nohup). Outside
    the main thread, where Python delivers no signal, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hearing = _Hearing()
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    heard = [signum for signum in SIGNALS if signum == signal.SIGINT or before[signum] is not signal.SIG_IGN]
    for signum in heard:
        signal.signal(signum, hearing.interrupt)
    wakeup = signal.set_wakeup_fd(hearing.pipe, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for signum in heard:
            signal.signal(signum, before[signum] if before[signum] is not None else signal.SIG_DFL)
        hearing.close()


class _Hearing:
    """A thread that hears of signals, and the handler for the main thread."""

    def __init__(self) -> None:
        self._read, self.pipe = os.pipe()
        os.set_blocking(self.pipe, False)
        self._has_raised = False
        self._deadline: threading.Timer | None = None
        self._until = 0.0
        self._is_closed = False
        self._thread = threading.Thread(target=self._listen, daemon=True, name="hears signals")
        self._thread.start()

    def interrupt(self, signum: int, _frame: FrameType | None) -> None:
        """The handler: raises KeyboardInterrupt, once, so that no clean-up is interrupted."""
        stopping.tell(signum)
        if stopping.may_interrupt() and not self._has_raised:
            self._has_raised = True
            stopping.check()

    def close(self) -> None:
        """Hear no more, and forget what was heard."""
        os.write(self.pipe, b"\0")
        self._thread.join()
        os.close(self.pipe)
        os.close(self._read)
        self._is_closed = True
        if self._deadline is not None:
            self._deadline.cancel()
        stopping.tell(None)
        stopping.begin()

    def _listen(self) -> None:
        while True:
            for signum in os.read(self._read, 64):
                if signum == 0:
                    return
                if signum in SIGNALS:
                    self._hear(signum)

    def _hear(self, signum: int) -> None:
        if self._deadline is None:
            stopping.tell(signum)
            self._until = time.monotonic() + LONGEST_SECONDS
            self._end_after(GRACE_SECONDS)
            stopping.end_running()
            _say(f"{signal.Signals(signum).name}: stopping; Ctrl-C again to stop at once")
        elif signum == signal.SIGINT:
            end_at_once()

    def _end_after(self, seconds: float, beyond: float = 0.0) -> None:
        """End the process by force after so long, or `beyond` that where it publishes until then."""
        if not self._is_closed:
            self._deadline = threading.Timer(seconds, self._end, [beyond])
            self._deadline.daemon = True
            self._deadline.start()

    def _end(self, beyond: float) -> None:
        left = self._until - time.monotonic()
        if left > 0 and stopping.is_held_back():
            self._end_after(min(LOOK_SECONDS, left), GRACE_SECONDS)
        elif left > 0 and beyond:  # published: to show the result
            self._end_after(min(beyond, left))
        else:
            end_at_once()


def end_at_once() -> None:
    """End this process; those that it started see it and end, too."""
    with suppress(OSError, ValueError):  # standard error may be closed, or a terminal that has gone
        if sys.stderr.isatty():
            sys.stderr.write(SHOW_CURSOR)
    if not stopping.is_over():
        _say(f"stopped at once; {STORED}")
    os._exit(exit_code())


def exit_code() -> int:
    """The exit code of a process that was interrupted; 0 where its result is published."""
    return 0 if stopping.is_over() else 128 + (stopping.told() or signal.SIGINT)


def say_interrupted() -> None:
    """Say so, and how to go on."""
    _say(f"interrupted; {STORED}")


def _say(words: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{words}\n")
        sys.stderr.flush()


class InterruptibleProgress:
    """Passes every event on, or raises KeyboardInterrupt where the process was told to stop before it."""

    def __init__(self, progress: Progress) -> None:
        """Wrap this progress."""
        self._progress = progress

    def begin(self, stage: str, total: int) -> None:
        """Check, and pass on."""
        stopping.check()
        self._progress.begin(stage, total)

    def step(self, stage: str, words: str) -> None:
        """Check, and pass on."""
        stopping.check()
        self._progress.step(stage, words)

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        """Pass on: it comes from a thread where an interrupt would end nothing."""
        self._progress.part(stage, name, done, total)

    def end(self, stage: str, words: str) -> None:
        """Check, and pass on."""
        stopping.check()
        self._progress.end(stage, words)
