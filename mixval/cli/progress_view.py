"""Display of progress: bars on a terminal, plain lines elsewhere, nothing with `--json`. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from mixval.cli.interrupts import InterruptibleProgress
from mixval.progress import TARGET, Progress, Silence
from mixval.publish.names import visible

WORDS = {
    "start": "starting up",
    "inbox": "taking in",
    "plan": "planning",
    "gate": "checking",
    "measure": "measuring",
    "reduce": "computing values",
    "coalitions": "valuing coalitions",
    "training": "training",
    "fitting": "fitting weights",
    "ranking": "ranking",
    "decide": "deciding",
    "generate": "generating",
    "filter": "filtering",
    "publish": "publishing",
    "count": "counting",
    "describe": "describing",
    "losses": "losses",
}


QUIET_SECONDS = 15.0
"""A log gets a line of how far a step is when it has had none for so long."""


@contextmanager
def front_end(quiet: bool, is_logged: bool = False) -> Iterator[Progress]:
    """The display that fits standard error; an interrupt is never lost in it. `is_logged`: the run writes JSON lines there."""
    with _shown(quiet or is_logged) as progress:
        yield InterruptibleProgress(progress)


@contextmanager
def _shown(quiet: bool) -> Iterator[Progress]:
    if quiet:
        yield Silence()
    elif sys.stderr.isatty():
        columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bars(*columns, TextColumn("{task.fields[words]}"), console=Console(stderr=True)) as bars:
            yield TerminalBars(bars)
    else:
        yield PlainLines()


class TerminalBars:
    """One bar per stage."""

    def __init__(self, bars: Bars) -> None:
        """Draw on these bars."""
        self._bars = bars
        self._ids: dict[str, object] = {}
        self._done: dict[str, list[str]] = {}
        self._parts: dict[str, dict[str, float]] = {}

    def begin(self, stage: str, total: int) -> None:
        """A new bar; one that only pulses when the total is unknown."""
        self._done[stage], self._parts[stage] = [], {}
        self._ids[stage] = self._bars.add_task(WORDS.get(stage, stage), total=total or None, words="")

    def step(self, stage: str, words: str) -> None:
        """Advance the stage's bar by a whole step."""
        name = words.removesuffix(": failed")
        self._done[stage].append(name)
        self._parts[stage].pop(name, None)
        self._draw(stage, words)

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        """Advance the stage's bar within a step."""
        if stage in self._parts and name not in self._done[stage]:  # what is told late is dropped
            self._parts[stage][name] = min(done / max(total, 1), 0.99) if name != TARGET else 0.0
            self._draw(stage, _part_words(name, done, total))

    def _draw(self, stage: str, words: str) -> None:
        completed = len(self._done[stage]) + sum(self._parts[stage].values())
        self._bars.update(self._ids[stage], completed=completed, words=escape(visible(words[:60])))  # type: ignore[arg-type]

    def end(self, stage: str, words: str) -> None:
        """Fill the stage's bar."""
        task = next(task for task in self._bars.tasks if task.id == self._ids[stage])
        total = task.total or 1
        self._bars.update(task.id, total=total, completed=total, words=escape(words))


class PlainLines:
    """One line per event, with seconds since the start; for logs."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Seconds count from here."""
        self._clock = clock
        self._began = self._written = clock()
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}

    def begin(self, stage: str, total: int) -> None:
        """Write that the stage starts."""
        self._totals[stage], self._done[stage] = total, 0
        self._write(f"{WORDS.get(stage, stage)} ...")

    def step(self, stage: str, words: str) -> None:
        """Write how far the stage is."""
        self._done[stage] += 1
        self._write(f"{WORDS.get(stage, stage)} {self._done[stage]}/{self._totals[stage]}: {words}")

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        """Write how far a step is, where nothing has been written for `QUIET_SECONDS`."""
        if self._clock() - self._written >= QUIET_SECONDS:
            self._write(
                f"{WORDS.get(stage, stage)} {self._done[stage]}/{self._totals[stage]}: {_part_words(name, done, total)}"
            )

    def end(self, stage: str, words: str) -> None:
        """Write that the stage is done."""
        self._write(f"{WORDS.get(stage, stage)} done{': ' if words else ''}{words}")

    def _write(self, words: str) -> None:
        self._written = self._clock()
        sys.stderr.write(f"[{self._written - self._began:7.1f} s] {visible(words)}\n")
        sys.stderr.flush()


def _part_words(name: str, done: int, total: int) -> str:
    return f"{name}, {min(done, total):,} of {total:,} row passes"
