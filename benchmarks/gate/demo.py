"""Seconds of the demo's gate, from the command to its last line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial

from benchmarks.figures import Figure, figure

COMMAND = "python -m benchmarks.gate demo"
MOST_SECONDS = 60


def figures() -> list[Figure]:
    """Seconds by the clock, of processors, and processes that wanted a core in the minute before: a busy machine takes
    longer by the clock."""
    make, load = partial(figure, command=COMMAND), os.getloadavg()[0]
    began, before = time.perf_counter(), _children_seconds()
    subprocess.run([sys.executable, "-m", "examples.demo", "gate"], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    return [
        make("demo_seconds", seconds, f"<= {MOST_SECONDS}", "s"),
        make("demo_seconds/cpu", _children_seconds() - before, "-", "s CPU"),
        make("demo_seconds/load_before", load, "-", "processes"),
    ]


def _children_seconds() -> float:
    """Processor time of the processes that ended, and of those that they waited for."""
    taken = os.times()
    return taken.children_user + taken.children_system
