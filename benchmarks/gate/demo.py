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
    """Seconds by the clock, and processes that wanted a core in the minute before: a busy machine takes longer."""
    make, load = partial(figure, command=COMMAND), os.getloadavg()[0]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "examples.demo", "gate"], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    return [make("demo_seconds", seconds, f"<= {MOST_SECONDS}", "s"), make("demo_seconds/load_before", load, "-", "processes")]
