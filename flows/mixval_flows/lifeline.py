"""How a process ends with the one that started it, also where that one is killed and can clear nothing away."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1


def end_with_standard_input() -> None:
    """End this process when its standard input does: a pipe whose other end only the starter holds."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True, name="lifeline").start()


def signal_at_parents_end(signum: int) -> None:
    """Ask the kernel for this signal when the parent has gone (Linux; elsewhere nothing). It also comes when only the parent's
    thread that started this process ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)


def end_with_parent(left: str | None = None) -> None:
    """End this process when its parent does, and remove what that one would have left: a folder. It must run no other thread's
    work and hold nothing worth clearing away."""
    parent = os.getppid()

    def ended(*_: object) -> None:
        if os.getppid() != parent:
            if left is not None:
                shutil.rmtree(left, ignore_errors=True)
            os._exit(1)

    signal.signal(signal.SIGUSR1, ended)
    signal_at_parents_end(signal.SIGUSR1)


def end_with_forker(forker: int) -> None:
    """In a process forked by a process of one thread: the kernel kills it when that one, of this id, has gone."""
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    signal_at_parents_end(signal.SIGKILL)
    if os.getppid() != forker:  # it went before the kernel was asked
        os._exit(1)
