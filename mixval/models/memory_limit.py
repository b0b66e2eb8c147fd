"""A memory limit for code that others wrote and that runs in this process, such as a chat template."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZES = Path("/proc/self/statm")
_ONE = threading.Lock()


@contextmanager
def memory_limit(n_bytes: int) -> Iterator[None]:
    """Within this block what asks for more than so many further bytes fails with `MemoryError`. On Linux; elsewhere nothing.

    It holds for all threads of the process, so the block must be short, and stands around a time limit, never inside one: what
    ends it from another thread must not keep the limit from being taken back. A process that is started within inherits it.
    """
    if sys.platform != "linux" or not _SIZES.exists():
        yield
        return
    import resource

    with _ONE:
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = int(_SIZES.read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE") + n_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most if soft == resource.RLIM_INFINITY else min(soft, most), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def without_inherited_limit() -> None:
    """Take back, in a process that has just begun, a limit that the one that started it had at that moment."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
