"""The processes of one run, wherever they are in the tree: a variable of the environment marks all of them. Linux only."""

from __future__ import annotations

import os
import time
from pathlib import Path

MARK = "MIXVAL_TORTURE"
EVERY_SECONDS = 0.05
ROLES = {"server": "mixval_flows.serving", "fork server": "multiprocessing.forkserver", "worker": "multiprocessing.forkserver"}
"""Words of the command line of a process; a worker has that of the process it was forked from."""


def marked(mark: str) -> dict[int, str]:
    """The living processes that have this mark, each with its command line."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() not in (folder / "environ").read_bytes().split(b"\0") or _state(folder) == "Z":
                continue
            found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # ended since the listing, or another user's
            continue
    return found


def of_role(mark: str, role: str) -> list[int]:
    """The processes of a run with this role, in the order of their ids."""
    held = {pid: words for pid, words in marked(mark).items() if ROLES[role] in words}
    if role == "server":
        return sorted(held)
    return sorted(pid for pid in held if (_parent(pid) in held) == (role == "worker"))


def gone(mark: str, within_seconds: float) -> tuple[float, list[str]]:
    """Seconds until no process with this mark is left, and those that are left after the time; they are killed."""
    began = time.monotonic()
    while (left := marked(mark)) and time.monotonic() - began < within_seconds:
        time.sleep(EVERY_SECONDS)
    for pid in left:
        os.kill(pid, 9)
    return time.monotonic() - began, list(left.values())


def _state(folder: Path) -> str:
    return (folder / "stat").read_text().rpartition(")")[2].split()[0]


def _parent(pid: int) -> int:
    try:
        return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
