"""CPU of a command and of all that it starts, as the operating system counts it. Linux only."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence

import psutil

EVERY_SECONDS = 0.5
LAST_SECONDS = 60.0
"""Orphans of the command get this long to end by themselves."""
PR_SET_CHILD_SUBREAPER = 36


def run_watched(command: Sequence[str], environment: Mapping[str, str]) -> tuple[dict[int, tuple[str, float]], float]:
    """The command line and CPU seconds of every process by its id, as last seen, and the CPU seconds of all of them together.

    The sum is independent of the first: it is what the kernel hands to whoever waits for a process. The calling process must
    have no other children, since all are waited for. Raises RuntimeError where the command fails or leaves a process behind.
    """
    # Orphans become children of this process, which waits for them and so learns their CPU time.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        found = os.strerror(ctypes.get_errno())
        raise RuntimeError(f"expected to adopt the command's orphans, found: {found}. Run it on Linux 3.4 or later.")
    before = _waited_for()
    seen: dict[int, tuple[str, float]] = {}
    started = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while started.poll() is None:
        _look(seen)
        time.sleep(EVERY_SECONDS)
    if started.returncode != 0:
        raise RuntimeError(f"expected `{' '.join(command)}` to end well, found exit code {started.returncode}; see its output")
    _reap(seen)
    return seen, _waited_for() - before


def _look(seen: dict[int, tuple[str, float]]) -> None:
    for process in psutil.Process().children(recursive=True):
        try:
            times, words = process.cpu_times(), " ".join(process.cmdline())
        except psutil.NoSuchProcess:  # ended since the listing
            continue
        known = seen.get(process.pid, ("", 0.0))[0]
        seen[process.pid] = (words or known, times.user + times.system)  # one that has ended has no command line any more


def _reap(seen: dict[int, tuple[str, float]]) -> None:
    deadline = time.monotonic() + LAST_SECONDS
    while time.monotonic() < deadline:
        _look(seen)
        try:
            found, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if found == 0:
            time.sleep(EVERY_SECONDS)
    left = [process.pid for process in psutil.Process().children(recursive=True)]
    raise RuntimeError(f"expected the command's processes to end within {LAST_SECONDS:g} s, found {left} alive. Stop them.")


def _waited_for() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
