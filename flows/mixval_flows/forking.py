"""First import of the process that local workers are forked from: a session of its own, and an end with the run's.

Ctrl-C and signals to the run's group so reach the run's process alone, which then ends the workers. When this process is killed
its workers go with it, and Dask starts others: it takes them for dead, and would have both otherwise.
"""

import os
import signal

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


signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked by the starter until here
if os.getsid(0) != FORKER:
    os.setsid()
end_with_parent()
without_inherited_limit()
os.register_at_fork(before=_before, after_in_child=_forked)
