"""A run's progress and the library's warnings as JSON objects, one a line, for whoever collects logs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, TextIO

OUTCOMES = frozenset({"admitted", "trimmed", "rejected", "failed", "reused", "accept", "quarantine", "reject"})
"""What may stand behind the name in the words of a step."""
OF_CONTRIBUTORS = ("gate", "measure")
"""Stages whose steps are contributors."""
LIBRARY = "mixval"
"""Whose log is written in the same form."""


class JsonLog:
    """Writes progress as JSON lines. Names from the data are JSON strings in ASCII, so no name ends a line or hides one."""

    def __init__(self, file: TextIO, run: str, flow: str) -> None:
        """Lines go to `file`, with the run's id and the flow's name; the library's own log does, too."""
        self._file, self._of = file, {"run": run, "flow": flow}
        logger = logging.getLogger(LIBRARY)
        self._before = list(logger.handlers), logger.propagate
        logger.handlers[:], logger.propagate = [_Lines(self)], False

    def close(self) -> None:
        """The library's log goes where it went before."""
        logger = logging.getLogger(LIBRARY)
        logger.handlers[:], logger.propagate = self._before

    def run(self, event: str, words: str) -> None:
        """The run starts, ends or fails."""
        self.write("error" if event == "failed" else "info", event=f"run-{event}", message=words)

    def begin(self, stage: str, total: int) -> None:
        """A stage starts."""
        self.write("info", event="stage-start", stage=stage, steps=total)

    def step(self, stage: str, words: str) -> None:
        """A step of it is done."""
        name, _, outcome = words.rpartition(": ")
        if outcome not in OUTCOMES:
            name, outcome = words, ""
        about = {"contributor": name} if stage in OF_CONTRIBUTORS else {"name": name}
        level = "warning" if outcome == "failed" else "info"
        self.write(level, event="step", stage=stage, **about, **({"outcome": outcome} if outcome else {}))

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        """Nothing: rows pass too often for a log."""

    def end(self, stage: str, words: str) -> None:
        """A stage is done."""
        self.write("info", event="stage-end", stage=stage, message=words)

    def write(self, level: str, **fields: Any) -> None:
        """One line."""
        known = {name: found for name, found in fields.items() if found != ""}
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, **self._of, **known}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


class _Lines(logging.Handler):
    """The library's log as such lines."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.write(record.levelname.lower(), event="log", logger=record.name, message=record.getMessage())
