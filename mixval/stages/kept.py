"""A small cache of values that a process makes once for many tasks: the backbone, T's side, T's embedding.

A run needs one value over and over, so one place is enough; another run's value replaces it, so that the memory of a
long-lived worker does not grow over runs. What is made from artifacts is named with their output too: another output may hold
the same artifact in other roundings.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class LastMade(Generic[T]):
    """The values used last, by name: one, or `most`.

    Threads that need the same name get the same value, made once. Others wait while one is made: two at a time would need
    the memory of both.
    """

    def __init__(self, most: int = 1) -> None:
        """Start empty."""
        self._most = most
        self._held: dict[str, T] = {}
        # Reentrant, so that `make` may itself call `get`.
        self._making = threading.RLock()

    def get(self, name: str, make: Callable[[], T]) -> T:
        """The value of this name: the stored one, or a new one from `make`. Raises what `make` raises, and then stores
        nothing.
        """
        with self._making:
            if name not in self._held:
                self._release(self._most - 1)  # before, not after: the old value and the new one need not fit together
                return self.keep(name, make())
            return self.keep(name, self._held.pop(name))

    def keep(self, name: str, value: T) -> T:
        """Store `value` as the one used last, in the place of the one used longest ago."""
        with self._making:
            self._held.pop(name, None)
            self._release(self._most - 1)
            self._held[name] = value
            return value

    def _release(self, n_left: int) -> None:
        while len(self._held) > n_left:
            del self._held[next(iter(self._held))]
