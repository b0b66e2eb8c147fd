"""What a process makes once and keeps for the next task that asks for the same: the backbone, T's side, its embeddings.

A run asks for one value over and over, so one place is enough; another run's value takes it, so that the memory of a
long-lived worker does not grow over runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class LastMade(Generic[T]):
    """The values that were asked for last, by name: one, or `most`.

    Threads that ask for the same name get the same value, made once. Others wait while one is made: two that are made at
    a time would need the memory of both.
    """

    def __init__(self, most: int = 1) -> None:
        """Nothing is held yet."""
        self._most = most
        self._held: dict[str, T] = {}
        # Of the thread, so that what is made here may itself ask for what is made here.
        self._making = threading.RLock()

    def get(self, name: str, make: Callable[[], T]) -> T:
        """The value of this name: as held, or from `make`. What `make` raises passes through, and nothing is held for it."""
        with self._making:
            if name not in self._held:
                self._release(self._most - 1)  # before, not after: the old value and the new one need not fit together
                return self.keep(name, make())
            return self.keep(name, self._held.pop(name))

    def keep(self, name: str, value: T) -> T:
        """Hold `value` as the one that was asked for last, in the place of the one asked for longest ago."""
        with self._making:
            self._held.pop(name, None)
            self._release(self._most - 1)
            self._held[name] = value
            return value

    def _release(self, n_left: int) -> None:
        while len(self._held) > n_left:
            del self._held[next(iter(self._held))]
