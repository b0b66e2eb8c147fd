"""A method to measure: what it prepares, what is timed, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.rivals.shapes import Shape


@dataclass(frozen=True)
class Made:
    """What a job made of the rows."""

    n: int
    """Rows that came out: as many as went in, or the job did something else."""
    details: dict[str, Any] = field(default_factory=dict)
    after: Callable[[], dict[str, Any]] = dict
    """Further details, taken when time and memory are noted."""


@dataclass(frozen=True)
class Job:
    """One method."""

    prepare: Callable[[Shape], Callable[[], Made]]
    """Imports and what is there before rows are; returns what is timed."""
    produces: str
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Shapes that it cannot be run on, with the reason."""
    partial: tuple[str, ...] = ()
    """Shapes of which it sees the last linear layer alone."""
