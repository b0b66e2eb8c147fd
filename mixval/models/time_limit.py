"""A time limit for code that others wrote and that runs as Python in this thread, such as a chat template.

Counted is processor time, so that a loaded machine refuses nothing that an idle one takes. What a library does in native code
goes on: for that, the process has to end.
"""

from __future__ import annotations

import ctypes
import threading
import time
from types import TracebackType
from typing import Any


def time_limit(seconds: float) -> TimeLimit:
    """A context that ends with `TimeoutError` after `seconds` of the thread's processor time, whatever Python it runs then.

    Contexts of one thread stand one after another, not one in another.
    """
    kept: dict[Any, TimeLimit] = _OF_THREAD.__dict__
    if seconds not in kept:
        kept[seconds] = TimeLimit(seconds)
    return kept[seconds]


_OF_THREAD = threading.local()


class TimeLimit:
    """What `time_limit` gives. One watching thread serves all contexts of an instance: entering costs microseconds, so that
    every row can have its limit."""

    def __init__(self, seconds: float) -> None:
        """Seconds of processor time that a context may take; noticed up to a tenth later."""
        self.seconds = seconds
        self._lock = threading.Lock()
        self._until: float | None = None
        self._thread = 0
        self._watch: threading.Thread | None = None

    def __enter__(self) -> None:
        """Start the time."""
        with self._lock:
            self._thread = threading.get_ident()
            self._until = _spent(self._thread) + self.seconds
            if self._watch is None or not self._watch.is_alive():
                self._watch = threading.Thread(target=self._run, name="time-limit", daemon=True)
                self._watch.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it. An interruption that was sent and has not arrived is taken back."""
        with self._lock:
            is_over = self._until is None
            self._until = None
            if is_over and kind is not TimeoutError:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), None)
                raise TimeoutError

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            time.sleep(self.seconds / 10)
            with self._lock:
                now = time.monotonic()
                if self._until is not None:
                    idle_since = now
                    if _spent(self._thread) > self._until:
                        self._until = None
                        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(TimeoutError))
                elif now - idle_since > self.seconds:
                    self._watch = None
                    return


def _spent(thread: int) -> float:
    """Seconds of processor time that a running thread has taken; where the system does not tell, of the clock."""
    if hasattr(time, "pthread_getcpuclockid"):
        return time.clock_gettime(time.pthread_getcpuclockid(thread))
    return time.monotonic()
