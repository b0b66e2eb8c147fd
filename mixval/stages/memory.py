"""Memory of a process that measures: settings of its allocator, and its peak."""

import re
import resource
import sys
from pathlib import Path

ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 2**30),
}
"""Environment of a process that measures: memory that a pass has freed is kept for the next one. Given back to the system
at once, as Dask's default has it, half of a backward pass goes into page faults (ResNet-18, 32 images: 5.6 s instead of
3.3 s). Threads other than the first would give it back all the same, but for the single arena: one thread computes."""

_STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Peak resident bytes since the process began. On Linux its own alone; `ru_maxrss` would inherit its parent's."""
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())):
        return int(found.group(1)) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
