"""How much memory this process has held at most."""

import resource
import sys


def peak_bytes() -> int:
    """Peak resident bytes since the process began."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
