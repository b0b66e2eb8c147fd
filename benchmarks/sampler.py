"""CPU seconds of a process by kind of work, from a thread that samples every other thread's stack and CPU clock.

At each sample, the CPU that a thread has used since the last one counts for the innermost of its frames that has a kind, so
that a decoder called by `mixval/models/images.py` is decoding. A thread without such a frame is orchestration: event loops,
Prefect, Dask, what is serialised between them. CPU of native threads, and of threads that ended between two samples, is shared
by the kinds of the stacks at that sample, be they running or waiting; where there are none it is `other`. So the sum of all
kinds is what the operating system counts for the process.

A sample has to wait until the interpreter lock is released, so it comes after a native call rather than within pure Python.
Linux only: a thread's CPU clock is named by its native id.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from types import FrameType

EVERY_SECONDS = 0.005
LONGEST_SECONDS = 0.16
MOST_SHARE = 0.01
"""A look and its wake-up cost some 0.1 ms, which every 5 ms is 7 % of a run on a busy machine. So the wait between two doubles,
up to the longest, while they have cost more than this share of the process's CPU."""
WORTH_A_LOOK_SECONDS = 0.002
"""CPU of the process since the last look; an idle process uses less."""
WRITTEN_SECONDS = 1.0
FOLDER = "MIXVAL_PROFILE_FOLDER"
"""The environment variable with the folder that sampled processes write to."""
Seconds = dict[str, float]
KINDS = {
    "<frozen importlib": "imports",
    "mixval/models/images.py": "decoding",
    "mixval/models/tokenise.py": "decoding",
    "mixval/models/": "model compute",
    "mixval/terms/ntk/statistics.py": "terms",
    "mixval/terms/ntk/kept_rows.py": "terms",
    "mixval/terms/ntk/quadratic.py": "terms",
    "mixval/terms/ntk/damped.py": "terms",
    "mixval/terms/ntk/residual.py": "terms",
    "mixval/terms/ntk/sketched": "terms",
    "mixval/terms/ntk/": "model compute",
    "mixval/terms/": "terms",
    "mixval/valuation/ntk_coalitions.py": "coalitions",
    "mixval/valuation/shapley": "coalitions",
    "mixval/valuation/coalition": "coalitions",
    "mixval/valuation/regression_coalitions.py": "coalitions",
    "mixval/stages/coalitions.py": "coalitions",
    "mixval/stages/regression_coalitions.py": "coalitions",
    "mixval/valuation/": "terms",
    "mixval/gate/": "gate",
    "mixval/storage/sample.py": "decoding",
    "mixval/contracts/digests.py": "decoding",
    "mixval/storage/": "storage",
    "mixval/contracts/": "storage",
    "mixval/config/": "storage",
    "mixval/publish/": "publication",
    "mixval/stages/gating.py": "gate",
    "mixval/stages/sharing.py": "gate",
    "mixval/stages/publishing.py": "publication",
    "mixval/stages/rows.py": "decoding",
    "mixval/stages/jobs.py": "storage",
    "mixval/stages/forward.py": "model compute",
    "mixval/stages/gradients.py": "model compute",
    "mixval/stages/one_pass.py": "model compute",
    "mixval/stages/resident.py": "model compute",
    "mixval/stages/": "terms",
}
"""By what a file's name holds; the first that fits counts. Row keys and draws count as decoding: they read the rows. What
`mixval/terms/ntk/` does with gradients, sketching and products, is model compute; its sums, solves and bounds are terms."""


def kind_of(frame: FrameType | None) -> str | None:
    """The kind of the innermost frame that has one. A module that is being imported counts as such, whosever it is."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "<module>" and frame.f_globals.get("__name__") != "__main__":
            return "imports"
        if (kind := _kind_of_file(code.co_filename)) is not None:
            return kind
        frame = frame.f_back
    return None


@cache
def _kind_of_file(name: str) -> str | None:
    return next((kind for part, kind in KINDS.items() if part in name), None)


class Sampler:
    """Looks at this process from `start()` to `stop()`, and writes what it has found every second and at the end.

    What the process used before is booked as imports, and the sampler's own CPU as `sampler`.
    """

    def __init__(self, name: str, folder: Path) -> None:
        """The file is `NAME-PID.json`: CPU seconds by kind, and which of them no thread of Python's has used (`native`)."""
        self._file = folder / f"{name}-{os.getpid()}.json"
        self.seconds: Seconds = defaultdict(float)
        self.native: Seconds = defaultdict(float)
        self._used: dict[int, float] = {}  # CPU of a native thread at the last look
        self._last = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._last = time.process_time()
        self.seconds["imports"] += self._last
        self._used = {native: _thread_seconds(native) for native in _native_threads().values()}
        self._thread.start()

    def stop(self) -> None:
        """Take a last look and write. May be called again."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        due, wait = time.monotonic() + WRITTEN_SECONDS, EVERY_SECONDS
        while not self._ended.wait(wait):
            if time.process_time() - self._last >= WORTH_A_LOOK_SECONDS:
                self._look()
            is_cheap = time.thread_time() <= MOST_SHARE * time.process_time()
            wait = max(wait / 2, EVERY_SECONDS) if is_cheap else min(2 * wait, LONGEST_SECONDS)
            if time.monotonic() >= due:
                self._write()
                due = time.monotonic() + WRITTEN_SECONDS
        self._look()
        self._write()

    def _look(self) -> None:
        frames, natives, mine = sys._current_frames(), _native_threads(), threading.get_ident()
        frames.pop(mine)
        used = {native: _thread_seconds(native) for native in natives.values()}
        for thread, native in natives.items():
            # A native id that is lent again starts from zero.
            spent = used[native] - (before if (before := self._used.get(native, 0.0)) <= used[native] else 0.0)
            if spent > 0:
                self.seconds["sampler" if thread == mine else kind_of(frames.get(thread)) or "orchestration"] += spent
        self._used = used
        self._last = time.process_time()
        self._book_native(self._last - sum(self.seconds.values()), frames)

    def _book_native(self, spent: float, frames: dict[int, FrameType]) -> None:
        if spent < WORTH_A_LOOK_SECONDS:
            return  # clocks that are read one after another; it may even be negative, and is left for the next look
        kinds = [kind for frame in frames.values() if (kind := kind_of(frame)) is not None] or ["other"]
        for kind in kinds:
            self.seconds[kind] += spent / len(kinds)
            self.native[kind] += spent / len(kinds)

    def _write(self) -> None:
        partial = self._file.with_suffix(".part")
        partial.write_text(json.dumps({"seconds": self.seconds, "native": self.native}), encoding="utf-8")
        partial.replace(self._file)


def _native_threads() -> dict[int, int]:
    """Native ids of Python's threads, by their idents."""
    return {one.ident: one.native_id for one in threading.enumerate() if one.ident is not None and one.native_id is not None}


def _thread_seconds(native: int) -> float:
    """CPU that a thread has used; 0 where it has ended since it was listed.

    Linux names the clock by the thread's native id, as `pthread_getcpuclockid` does, which must not be asked about a thread
    that may have ended.
    """
    try:
        return time.clock_gettime((~native << 3) | 6)
    except OSError:
        return 0.0
