"""Checks of shards: whether each can be read, has the columns and types of the row contract, and names classes as T does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixval.config.gate import GateConfig
from mixval.config.tasks import Task
from mixval.contracts.outcomes import Finding
from mixval.contracts.plan import ShardRef
from mixval.errors import ShardError
from mixval.gate.checks import Check
from mixval.gate.engine import inspect
from mixval.gate.findings import expectation_name
from mixval.gate.suite import shard_checks
from mixval.gate.tally import SuiteTally
from mixval.gate.words import printable, quoted, shorten

COLUMN_OF = {
    "unreadable": "is_readable",
    "missing-column": "has_columns",
    "wrong-type": "has_types",
    "other-classes": "has_class_names",
}
"""Kind of a ShardError -> the column of the shard frame that is False for it."""


@dataclass(frozen=True)
class ShardProblem:
    """The first shard that does not fit the row contract."""

    index: int
    """Its position in the listing."""
    kind: str
    """`unreadable`, `missing-column`, `wrong-type` or `other-classes`."""
    column: str | None
    words: str
    """What was found."""


def listed_problem(shards: Sequence[ShardRef]) -> ShardProblem | None:
    """The first shard whose footer could not be read when it was listed."""
    for index, shard in enumerate(shards):
        if shard.problem is not None:
            return ShardProblem(index, "unreadable", None, printable(shard.problem))
    return None


def read_problem(error: ShardError, shards: Sequence[ShardRef], index: int | None) -> ShardProblem:
    """The problem behind an error that came while rows were read; `index` is its shard where that is known."""
    named = [at for at, shard in enumerate(shards) if error.shard in (shard.url, shard.name)]
    at = index if index is not None else (named[0] if named else 0)
    return ShardProblem(at, error.kind, error.column, printable(str(error)))


def inspect_shards(
    shards: Sequence[ShardRef], problem: ShardProblem | None, task: Task, limits: GateConfig, where: str
) -> tuple[SuiteTally, list[Finding]]:
    """The shards' suite, one row per shard, and a finding that rejects when one of them breaks it.

    Columns are null for shards after the broken one, which were not checked.
    """
    suite = SuiteTally("shards", limits.samples_kept)
    if not shards and problem is None:
        return suite, []
    frame = _frame(shards, problem)
    checks = shard_checks(task)
    suite.add(inspect(checks, frame), frame, np.arange(len(frame), dtype=np.int64))
    return suite, [_finding(tally.check, problem, shards, where) for tally in suite.failures() if problem is not None]


def _frame(shards: Sequence[ShardRef], problem: ShardProblem | None) -> pd.DataFrame:
    n = max(len(shards), 0 if problem is None else problem.index + 1)
    stages = list(COLUMN_OF.values())
    columns: dict[str, list[bool | None]] = {stage: [True] * n for stage in stages}
    if problem is not None:
        broken = stages.index(COLUMN_OF.get(problem.kind, "is_readable"))
        for depth, stage in enumerate(stages):
            state = True if depth < broken else (False if depth == broken else None)
            columns[stage][problem.index] = state
            columns[stage][problem.index + 1 :] = [None] * (n - problem.index - 1)
    names = [shard.name for shard in shards] + [f"shard {index}" for index in range(len(shards), n)]
    frame = pd.DataFrame({stage: pd.Series(values, dtype=object) for stage, values in columns.items()})
    return frame.assign(shard=names)


def _finding(check: Check, problem: ShardProblem, shards: Sequence[ShardRef], where: str) -> Finding:
    name = shards[problem.index].name if problem.index < len(shards) else f"shard {problem.index}"
    if problem.words.startswith("shard "):  # a reader's own message is complete already
        message = f"{where}, {problem.words}"
    else:
        found = problem.words.rstrip(".")
        message = f"{where}, shard {quoted(name)}: {check.expected}, found: {found}. {check.remedy}"
    return Finding(
        expectation=expectation_name(check),
        column=problem.column,
        severity="reject",
        count=1,
        n_checked=max(len(shards), 1),
        samples=[shorten(name)],
        message=message,
    )
