"""Cost of a method: its own seconds and bytes, and those of every shared quantity that it used, computed now or earlier.

Quantities nest: a sketch of gradients at a checkpoint uses the training that made it. Time inside a nested quantity is the
nested one's, so that a method pays for each quantity once, whatever the order in which methods run.

On a CPU seconds are those that all threads of the process computed, so that a busy machine makes no method look slow; on a GPU
they are seconds of the clock, up to the end of its queue.
"""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

from mixval.telemetry.peak import peak_bytes

Made = TypeVar("Made")
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_TRIM: Any = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc


@dataclass
class Meter:
    """Cost of a piece of work so far."""

    base_bytes: int
    """Held when it began."""
    seconds: float = 0.0
    """Its own, without those of the quantities that it used."""
    peak_bytes: int = 0
    """Held above the base at most, by itself."""
    used: set[Hashable] = field(default_factory=set)
    """Keys of the quantities that it used, those that were used to make them included."""
    resumed: float = 0.0


@dataclass(frozen=True)
class Charge:
    """What a method is charged with."""

    seconds: float
    peak_bytes: int
    """The largest of the peaks of its steps, above what was held as each began. On hosts without /proc, of the process."""
    used: frozenset[Hashable]
    """Keys of the quantities that it used."""


class Ledger:
    """Shared quantities with what each cost to make."""

    def __init__(self, device: torch.device) -> None:
        """Empty; `device` decides which clock and which memory count."""
        self._device = device
        self._made: dict[Hashable, tuple[Any, Meter]] = {}
        self._open: list[Meter] = []

    def take(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """The quantity of this key, made if it is the first time; whoever is being charged has used it."""
        if key not in self._made:
            with self._metered() as meter:
                made = make()
            self._made[key] = made, meter
        held, meter = self._made[key]
        if self._open:
            self._open[-1].used |= {key} | meter.used
        found: Made = held
        return found

    def given(self, key: Hashable, make: Callable[[], tuple[Made, float, int]]) -> Made:
        """The quantity of this key, where `make` returns it with its seconds and peak bytes."""
        if key not in self._made:
            made, seconds, peak = make()
            self._made[key] = made, Meter(0, seconds, peak)
        found: Made = self.take(key, lambda: self._made[key][0])
        return found

    def charged(self, work: Callable[[], Made]) -> tuple[Made, Charge]:
        """What `work` gives, and what it cost with all that it used."""
        with self._metered() as meter:
            result = work()
        parts = [self._made[key][1] for key in meter.used]
        seconds = meter.seconds + sum(part.seconds for part in parts)
        return result, Charge(seconds, max([meter.peak_bytes, *(part.peak_bytes for part in parts)]), frozenset(meter.used))

    @contextmanager
    def _metered(self) -> Iterator[Meter]:
        if self._open:
            self._pause(self._open[-1])
        if _TRIM is not None:
            _TRIM(0)  # freed memory goes back to the system, so that using it again is counted
        meter = Meter(self._held_bytes())
        self._open.append(meter)
        self._resume(meter)
        try:
            yield meter
        finally:
            self._pause(meter)
            self._open.pop()
            if self._open:
                self._resume(self._open[-1])

    def _pause(self, meter: Meter) -> None:
        meter.seconds += self._clock() - meter.resumed
        meter.peak_bytes = max(meter.peak_bytes, self._peak_bytes() - meter.base_bytes)

    def _resume(self, meter: Meter) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif _CLEAR.exists():
            _CLEAR.write_text("5")  # the kernel's way to reset a process's peak
        meter.resumed = self._clock()

    def _clock(self) -> float:
        if self._device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _held_bytes(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.memory_allocated(self._device))
        if _STATUS.exists() and (found := re.search(r"VmRSS:\s+(\d+) kB", _STATUS.read_text())):
            return int(found.group(1)) * 1024
        return 0

    def _peak_bytes(self) -> int:
        return int(torch.cuda.max_memory_allocated(self._device)) if self._device.type == "cuda" else peak_bytes()
