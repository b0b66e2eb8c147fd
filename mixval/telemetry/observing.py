"""A run under observation: its stages are timed, and its end is told as metrics, lineage and log.

Nothing here ever fails a run: what cannot be written or sent is a warning in the log.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from mixval import progress, stopping
from mixval.config.runtime import Telling
from mixval.config.url_secrets import stripped_url
from mixval.errors import ConfigError, reason_of
from mixval.storage.root import Location
from mixval.telemetry.facts import Facts, Sample
from mixval.telemetry.json_log import JsonLog
from mixval.telemetry.peak import peak_bytes

_LOG = logging.getLogger("mixval.telemetry")
LOOKING = ("start", "plan", "inbox")
"""Stages that find out whether there is anything to do. A run that goes no further leaves no lineage."""


@dataclass
class Observation:
    """One run of a flow, and what it tells of itself."""

    flow: str
    output: Location
    telling: Telling
    parent: Observation | None = None
    id: str = field(default_factory=lambda: str(uuid4()))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    facts: Facts = field(default_factory=Facts)
    seconds: dict[str, float] = field(default_factory=dict)
    """Stage -> seconds; of one that goes on, none yet."""
    worker_bytes: int | None = None
    """Most memory that a worker of the run has had."""
    lines: list[str] = field(default_factory=list)
    """Events of lineage so far."""
    began: float = field(default_factory=time.perf_counter)

    def tell(self, facts: Callable[[], Facts]) -> None:
        """What the run was made from and gave, computed now. What cannot be told is a warning."""
        with never_failing("tell of the run", self):
            self.facts = facts()

    def began_work(self) -> None:
        """The first event of lineage, once there is something to do."""
        if self.lines or not self.telling.lineage:
            return
        with never_failing("write lineage", self):
            self._lineage("START", None)

    def ended(self, error: BaseException | None) -> None:
        """Write and send what is to be told at the end; nothing where the configuration cannot be run as written."""
        if isinstance(error, ConfigError):
            return
        is_abort = isinstance(error, (KeyboardInterrupt, SystemExit)) or stopping.told() is not None
        kind = "COMPLETE" if error is None else "ABORT" if is_abort else "FAIL"
        with never_failing("write metrics", self):
            self._metrics(error is None)
        if self.telling.lineage and (error is not None or self.lines):
            self.began_work()
            with never_failing("write lineage", self):
                self._lineage(kind, None if error is None else stripped_url(reason_of(error)))

    def _metrics(self, succeeded: bool) -> None:
        from mixval.telemetry.exporting import export

        now = time.time()
        samples: dict[str, Sequence[Sample]] = {
            **self.facts.samples,
            "mixval_run_success": [({}, float(succeeded))],
            "mixval_run_timestamp_seconds": [({}, now)],
            "mixval_run_seconds": [({}, round(time.perf_counter() - self.began, 3))],
            "mixval_run_up_to_date": [({}, float(succeeded and not self.facts.is_new))],
            "mixval_stage_seconds": [({"stage": stage}, round(seconds, 3)) for stage, seconds in self.seconds.items()],
            "mixval_memory_peak_bytes": [({"process": name}, float(peak)) for name, peak in self._peaks().items()],
        }
        export(self.telling, self.output, self.flow, samples, now if succeeded else None)

    def _peaks(self) -> dict[str, int]:
        peaks = {"flow": peak_bytes()}
        return peaks if self.worker_bytes is None else peaks | {"worker": self.worker_bytes}

    def _lineage(self, kind: str, error: str | None) -> None:
        from openlineage.client.event_v2 import RunState

        from mixval.telemetry import lineage
        from mixval.telemetry.exporting import FOLDER

        parent = None
        if self.parent is not None:
            parent = lineage.Observed(self.parent.id, self.parent.flow, self.parent.output.url)
        of = lineage.Observed(self.id, self.flow, self.output.url, parent)
        event = lineage.event(RunState(kind), of, self.facts, error)
        self.lines.append(lineage.as_json_line(event))
        name = f"{self.started:%Y%m%dT%H%M%SZ}-{self.flow}-{self.id[:8]}.jsonl"
        self.output.child(FOLDER, "lineage", name).write_bytes("".join(self.lines).encode())
        if stopping.told() is None:  # who was told to stop waits for nobody
            lineage.send(event)


_CURRENT: ContextVar[Observation | None] = ContextVar("mixval_observation", default=None)


def tell(facts: Callable[[], Facts]) -> None:
    """Facts of the run under observation; nothing where none is."""
    if (found := _CURRENT.get()) is not None:
        found.tell(facts)


def tell_worker_memory(peak: int) -> None:
    """Most memory that a worker of the run under observation has had, in bytes."""
    if (found := _CURRENT.get()) is not None:
        found.worker_bytes = max(peak, found.worker_bytes or 0)


@contextmanager
def observed(flow: str, output: Location, telling: Telling) -> Iterator[None]:
    """Within this block a run of this flow is observed; within an observed run of the same flow, nothing more happens."""
    outer = _CURRENT.get()
    if outer is not None and outer.flow == flow:
        yield
        return
    run = Observation(flow, output, telling, outer)
    token, error = _CURRENT.set(run), None
    shown = progress.current()
    if telling.log == "json":
        shown = JsonLog(sys.stderr, run.id, flow)
        shown.run("start", "")
    try:
        with progress.shown_by(_Timed(shown, run)):
            yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        _CURRENT.reset(token)
        run.ended(error)
        if isinstance(shown, JsonLog):
            shown.run("end" if error is None else "failed", "" if error is None else stripped_url(reason_of(error)))
            shown.close()


@contextmanager
def never_failing(doing: str, run: Observation) -> Iterator[None]:
    """What goes wrong within this block is a warning: telling of a run decides nothing about it."""
    try:
        yield
    except Exception as error:
        _LOG.warning("run %s of %s could not %s: %s", run.id, run.flow, doing, stripped_url(reason_of(error)))


class _Timed:
    """Hands progress on, and times stages."""

    def __init__(self, shown: progress.Progress, run: Observation) -> None:
        self._shown, self._run = shown, run
        self._began: dict[str, float] = {}

    def begin(self, stage: str, total: int) -> None:
        self._began[stage] = time.perf_counter()
        if stage not in LOOKING:
            self._run.began_work()
        self._shown.begin(stage, total)

    def step(self, stage: str, words: str) -> None:
        self._shown.step(stage, words)

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        self._shown.part(stage, name, done, total)

    def end(self, stage: str, words: str) -> None:
        took = time.perf_counter() - self._began.get(stage, time.perf_counter())
        self._run.seconds[stage] = self._run.seconds.get(stage, 0.0) + took
        self._shown.end(stage, words)
