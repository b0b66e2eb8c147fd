"""First import of the process that local workers are forked from: a session of its own, and an end with the run's.

Ctrl-C and signals to the run's group so reach the run's process alone, which then ends the workers. When this process is killed
its workers go with it, and Dask starts others: it takes them for dead, and would have both otherwise.
"""

import os
import signal
import socket
from pathlib import Path

from mixval.models.memory_limit import without_inherited_limit
from mixval_flows.lifeline import end_with_forker, end_with_parent

FORKER = os.getpid()


class _Fork:
    by = FORKER


def _before() -> None:
    _Fork.by = os.getpid()


def _forked() -> None:
    # Not in what a worker forks. The parent's id would not tell: it is another one where the forker has gone by now.
    if _Fork.by == FORKER:
        end_with_forker(FORKER)


def _listeners_folder() -> str | None:
    """The temporary folder with the socket at which workers are asked for; the run's process removes it, unless killed."""
    for handle in Path("/proc/self/fd").iterdir():
        if not handle.is_socket():
            continue
        with socket.socket(fileno=os.dup(int(handle.name))) as held:
            place = Path(str(held.getsockname())).parent
            if held.family == socket.AF_UNIX and place.name.startswith("pymp-"):
                return str(place)
    return None


signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked by the starter until here
if os.getsid(0) != FORKER:
    os.setsid()
end_with_parent(_listeners_folder())
without_inherited_limit()
os.register_at_fork(before=_before, after_in_child=_forked)
