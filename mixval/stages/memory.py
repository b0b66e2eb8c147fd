"""Memory of a process that measures: settings of its allocator, its limit, and how much there is."""

import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 2**30),
}
"""Environment of a process that measures: memory that a pass has freed is kept for the next one. Given back to the system
at once, as Dask's default has it, half of a backward pass goes into page faults (ResNet-18, 32 images: 5.6 s instead of
3.3 s). Threads other than the first would give it back all the same, but for the single arena: one thread computes."""

BEYOND_BYTES = 2 * 2**30
"""Address space that a process reserves and does not fill: an arena of Arrow's allocator (1 GiB), stacks of threads."""
UNKNOWN_BYTES = 8 * 2**30
"""Taken for the machine's memory where the system does not tell."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.high", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def limit_memory(n_bytes: int) -> None:
    """Let this process have so many bytes of memory, and no more: what asks for them fails with `MemoryError`.

    The last resort, against what grows faster than whoever watches the process looks. On Linux; elsewhere nothing.
    """
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = n_bytes + BEYOND_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def machine_bytes(limits: Iterable[str | Path] = _LIMITS) -> int:
    """Memory of this machine, or what its container may have where that is less; `limits` are files that say so."""
    try:
        least = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has neither
        least = UNKNOWN_BYTES
    for file in limits:
        try:
            found = int(Path(file).read_text(encoding="ascii"))
        except (OSError, ValueError):  # no such limit, or `max`
            continue
        least = min(least, found) if found > 0 else least
    return least
