"""Memory that a decoder may take, held by the system: for decoders that trust what a file says, and do not tell beforehand.

Only a process that starts no others holds to it, such as a cluster's worker: they would inherit the limit.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "linux":
    import resource

_DATA_FIELD = 5
"""Of /proc/self/statm: pages of data and stack, which the system compares with its limit."""


class _Allowances:
    """The allowances of all threads that decode just now, as one limit of the process."""

    def __init__(self) -> None:
        self.is_held = False
        self.most_bytes: int | None = None
        self._lock = threading.Lock()
        self._n_bytes = self._began_at = self._before = 0

    def add(self, n_bytes: int) -> None:
        """Allow so much more; a negative number takes it back."""
        with self._lock:
            soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
            if self._n_bytes == 0:
                pages = int(Path("/proc/self/statm").read_text().split()[_DATA_FIELD])
                self._before, self._began_at = soft, pages * resource.getpagesize()
            self._n_bytes += n_bytes
            wanted = self._began_at + self._n_bytes if self._n_bytes else self._before
            limits = [one for one in (wanted, self._before, hard) if one != resource.RLIM_INFINITY]
            resource.setrlimit(resource.RLIMIT_DATA, (min(limits, default=resource.RLIM_INFINITY), hard))


_ALLOWANCES = _Allowances()


def hold_to_allowances(most_bytes: int | None = None, is_held: bool = True) -> None:
    """From now on `allowance` limits this process, where the system can (Linux), or no longer.

    `most_bytes`: what it can give, whatever is asked for; None: anything.
    """
    _ALLOWANCES.most_bytes = most_bytes
    _ALLOWANCES.is_held = is_held and sys.platform == "linux"


@contextmanager
def allowance(n_bytes: int) -> Iterator[int]:
    """Within it the process may take `n_bytes` more than it had, or what it yields where it has fewer to give.

    Beyond that an allocation raises `MemoryError`, in libraries of C++, too. Each of several threads brings its own. Nothing is
    limited before `hold_to_allowances`.
    """
    given = min(n_bytes, _ALLOWANCES.most_bytes or n_bytes)
    if not _ALLOWANCES.is_held:
        yield given
        return
    _ALLOWANCES.add(given)
    try:
        yield given
    finally:
        _ALLOWANCES.add(-given)
