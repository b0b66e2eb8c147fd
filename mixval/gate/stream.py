"""Checks the rows of one contributor batch by batch, and counts the results.

Two passes a batch: the row checks, then, on the rows that passed, the checks against earlier rows and the target. So a
good row never counts as a repeat of a row that was itself dropped.
Memory: one batch, one digest per admitted row, one line per bad row.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from mixval.config.gate import GateConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.batches import RowBatch
from mixval.contracts.class_names import ClassNames, first_disagreement
from mixval.contracts.mapping import column_words
from mixval.contracts.parts import PARTS
from mixval.contracts.rows import ORIGIN, accepts
from mixval.errors import ShardError
from mixval.gate.checks import Check
from mixval.gate.derive import TokenCounter, derive_rows, digest_names
from mixval.gate.engine import Inspection, inspect
from mixval.gate.suite import repeat_checks
from mixval.gate.tally import SuiteTally
from mixval.gate.words import shorten

MOST_PRINTED = 4096
"""Admitted rows, the first ones, whose prints are kept: 1.5 MB of images."""
BAD_ROWS = pa.schema([("shard_index", pa.int32()), ("row", pa.int64()), ("reason", pa.string())])
"""One line per dropped row. `row` counts within the shard, from 0."""


@dataclass
class RowStream:
    """Counts and digests of the rows so far."""

    task: Task
    limits: GateConfig
    checks: list[Check]
    """Row checks, from `row_suite.row_checks`."""
    target_digests: np.ndarray
    """(M, 16) uint8: inputs of the target set; none for the target itself."""
    count_tokens: TokenCounter | None = None
    keep_repeats: bool = False
    """Whether rows that repeat others stay, as they do in the target set."""
    most_bytes: float = math.inf
    """Decoded bytes above which images are not decoded any more: the contributor is rejected for them."""
    class_names: ClassNames = ()
    """What labels are called: by the target, else by the first shard that says."""

    n_rows: int = 0
    n_bytes: int = 0
    """Decoded bytes of these rows, with the pixels of their images."""
    n_bad: int = 0
    n_repeats: int = 0
    n_in_target: int = 0
    n_truncated: int = 0
    """Admitted rows that are longer than the context and will be cut."""
    n_parts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    """Admitted rows by origin."""
    labels: Counter[int] = field(default_factory=Counter)
    """Admitted rows by label."""
    names_unsaid: bool = False
    """Whether labels are integers whose names only some shards or only the target says."""
    origin_denied: bool = False
    """Whether the data's own origin column says otherwise than the configuration."""
    image_sizes: Counter[str] = field(default_factory=Counter)
    """Admitted images by size (`images.size_words`)."""

    def __post_init__(self) -> None:
        """Starts empty tallies."""
        self.rows = SuiteTally("rows", self.limits.samples_kept)
        self.repeats = SuiteTally("repeats", self.limits.samples_kept)
        self._whose = "the target's" if self.class_names else "that of an earlier shard"
        self._target = np.unique(digest_names(self.target_digests))
        self._seen: set[bytes] = set()
        self._kept: list[np.ndarray] = []
        self._prints: list[np.ndarray] = []
        self._bad: list[pa.Table] = []

    @property
    def n_left(self) -> int:
        """Admitted rows."""
        return sum(self.n_parts.values())

    def add(self, batch: RowBatch) -> None:
        """Checks one batch. Raises ShardError when its columns are not the contract's, or its classes have other names."""
        require_contract(batch, self.task)
        self._require_classes(batch)
        self.origin_denied |= batch.origin_denied
        n = batch.table.num_rows
        if n == 0:
            return
        self.n_bytes += batch.table.nbytes
        has_prints, bytes_left = len(self._prints) < MOST_PRINTED, self.most_bytes - self.n_bytes
        derived = derive_rows(batch.table, self.task, self.limits, self.count_tokens, has_prints, bytes_left)
        rows = batch.row_offset + np.arange(n, dtype=np.int64)
        reasons: dict[int, list[str]] = defaultdict(list)
        found = inspect(self.checks, derived.frame)
        self.rows.add(found, derived.frame, rows, batch.shard_index)
        _collect(reasons, found, np.arange(n))
        self.n_rows += n
        self.n_bytes += derived.pixel_bytes
        self.n_bad += len(reasons)

        passed = np.setdiff1d(np.arange(n), np.fromiter(reasons, dtype=np.int64, count=len(reasons)))
        if not self.keep_repeats:
            self._compare(derived.frame, derived.digests, passed, rows, batch.shard_index, reasons)
        left = np.setdiff1d(passed, np.fromiter(reasons, dtype=np.int64, count=len(reasons)))
        self._admit(derived.frame.iloc[left], derived.digests[left])
        self._prints += [derived.prints[at] for at in left[: MOST_PRINTED - len(self._prints)]] if derived.prints else []
        overlong = [item.failed for item in found if item.check.severity == "warn"]
        self.n_truncated += len(np.intersect1d(left, np.concatenate(overlong))) if overlong else 0
        self._bad.append(_bad_rows(reasons, rows, batch.shard_index))

    def digests(self) -> np.ndarray:
        """(N, 16) uint8: inputs of the admitted rows, in the order in which they came."""
        return np.concatenate([np.empty((0, 16), dtype=np.uint8), *self._kept])

    def prints(self) -> np.ndarray:
        """(N, D) float16: prints of the first admitted rows, at most `MOST_PRINTED`."""
        return np.stack(self._prints) if self._prints else np.zeros((0, 1), np.float16)

    def bad_rows(self) -> pa.Table:
        """The dropped rows, with the schema BAD_ROWS."""
        return pa.concat_tables([BAD_ROWS.empty_table(), *self._bad]).combine_chunks()

    def _require_classes(self, batch: RowBatch) -> None:
        at = first_disagreement(batch.class_names, self.class_names)
        if at is not None:
            own, other = (shorten(names[at]) for names in (batch.class_names, self.class_names))
            words = f"label {at} is '{own}' by its metadata, and '{other}' by {self._whose}"
            raise ShardError(words, column="label", kind="other-classes")
        self.class_names = self.class_names or batch.class_names
        self.names_unsaid |= batch.names_unsaid

    def _compare(
        self,
        frame: pd.DataFrame,
        digests: np.ndarray,
        passed: np.ndarray,
        rows: np.ndarray,
        shard_index: int,
        reasons: dict[int, list[str]],
    ) -> None:
        """Compares the rows that passed with earlier rows and the target."""
        if len(passed) == 0:
            return
        names = digest_names(digests[passed])
        is_first = []
        for name in names.tolist():
            is_first.append(name not in self._seen)
            self._seen.add(name)
        in_target = np.isin(names, self._target)
        inputs = list(spec_of(self.task).inputs)
        shown = frame[inputs].iloc[passed].itertuples(index=False)
        compared = pd.DataFrame(
            {
                "row_is_first": pd.Series(is_first, dtype=object),
                "not_in_target": pd.Series((~in_target).tolist(), dtype=object),
                "+".join(inputs): [" | ".join(row) for row in shown],
            }
        )
        found = inspect(repeat_checks("+".join(inputs)), compared)
        self.repeats.add(found, compared, rows[passed], shard_index)
        _collect(reasons, found, passed)
        self.n_repeats += is_first.count(False)
        self.n_in_target += int(in_target.sum())

    def _admit(self, frame: pd.DataFrame, digests: np.ndarray) -> None:
        for origin, count in frame["origin"].value_counts().items():
            self.n_parts[str(origin)] += int(count)
        if "label" in frame:
            self.labels.update(int(label) for label in frame["label"])
        if "image_size" in frame:
            self.image_sizes.update(frame["image_size"])
        self._kept.append(digests)


def require_contract(batch: RowBatch, task: Task) -> None:
    """Raises ShardError, without naming a place, when a batch lacks a contract column or has it in another type."""
    have = batch.table.schema
    for column in (*spec_of(task).columns, ORIGIN):
        if column.name not in have.names:
            message = f"column '{column.name}' must exist, found {column_words(have.names)}"
            raise ShardError(message, column=column.name, kind="missing-column")
        if not accepts(column, have.field(column.name).type):
            message = f"column '{column.name}' must be {column.expected}, found {have.field(column.name).type}"
            raise ShardError(message, column=column.name, kind="wrong-type")


def _collect(reasons: dict[int, list[str]], found: list[Inspection], positions: Any) -> None:
    for item in found:
        if item.check.severity == "drop":
            for at in item.failed:
                reasons[int(positions[at])].append(item.check.expected)


def _bad_rows(reasons: dict[int, list[str]], rows: np.ndarray, shard_index: int) -> pa.Table:
    order = sorted(reasons)
    columns = [
        pa.array([shard_index] * len(order), pa.int32()),
        pa.array(rows[order], pa.int64()),
        pa.array(["; ".join(reasons[at]) for at in order], pa.string()),
    ]
    return pa.table(columns, schema=BAD_ROWS)
