"""The plan of a run: shards with size and digest, rows to read, passes, bytes and seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.config.fingerprint import fingerprint


@dataclass(frozen=True, slots=True)
class ShardRef:
    """One file of rows, by location and content.

    A dataclass and no pydantic model, which takes several times the CPU and memory: a catalogue may have a million shards.
    """

    url: str
    """Full URL."""
    name: str
    """Path below the contributor's folder."""
    size_bytes: int
    digest: str
    """Digest of the content (local, memory) or the store's entity tag (S3)."""
    n_rows: int = 0
    """Rows, by the footer or counted; 0 when the file cannot be read."""
    n_row_groups: int = 0
    problem: str | None = None
    """Why the file cannot be read, in words."""
    version: str = ""
    """What the store calls this very object (S3: time and version), where content alone does not tell it."""
    rows_of: str | None = None
    """Contributor whose rows count, when several share the file (`layout: column`)."""


def content_digest(shards: Sequence[ShardRef]) -> str:
    """One digest of the shards' contents, whatever order they are listed in."""
    return fingerprint("content", 1, shards=sorted([shard.name, shard.digest, shard.rows_of or ""] for shard in shards))


class ContributorPlan(FrozenModel):
    """One contributor's shards, and the rows, passes, bytes and seconds of measuring it."""

    name: str
    """As in the data. Never used in a path unescaped."""
    shards: list[ShardRef]
    n_rows: int
    n_sampled: int
    """Rows read through the backbone."""
    n_gradient_rows: int
    n_passes: int
    """Passes over the gradient rows: one for each group of layers that fits `gradient_bytes`."""
    gradient_bytes: int = 2**30
    """Bytes of gradients and their factors that a task has in memory at a time."""
    pass_bytes: int = 0
    """Bytes that the backbone keeps of a batch in a gradient pass, beside the gradients."""
    task_bytes: int
    """Projected peak bytes of the largest task."""
    seconds: float
    """Projected compute seconds on one worker."""
    problem: str | None = None
    """Why no worker can measure it, in words: it fails unread, and the others go on. None: it is checked and measured."""
    most_seconds: float | None = None
    """Seconds that each of its tasks, the check or a step of its measurement, may take on a worker. None: no limit."""

    @cached_property
    def digest(self) -> str:
        """One digest of the contributor's content, made once and stored in the plan."""
        return content_digest(self.shards)

    def without_shards(self) -> ContributorPlan:
        """The same contributor, by name and digest, for a task that reads none of its rows: some 1 KB at any size."""
        digest = self.digest
        copy = self.model_copy(update={"shards": []})
        copy.__dict__["digest"] = digest  # where `cached_property` keeps it: the shards' digest, not that of none
        return copy


class WorkPlan(FrozenModel):
    """Everything that a run will touch, known before a cluster is up."""

    contributors: list[ContributorPlan]
    target: ContributorPlan
    n_parameters: int
    """Parameters of the backbone that count in the NTK."""
    worker_memory_bytes: int
    workers: int
    notes: list[str] = Field(default_factory=list)
    """Notes for the reader, e.g. that all rows are read."""

    @property
    def to_check(self) -> list[ContributorPlan]:
        """The contributors that are checked and, where the gate admits them, measured."""
        return [one for one in self.contributors if one.problem is None]

    @property
    def measure_seconds(self) -> float:
        """Projected seconds of the measure stage: its work over the workers, or the longest contributor after T's work."""
        work = [one.seconds for one in self.contributors]
        return max((self.target.seconds + sum(work)) / self.workers, self.target.seconds / 2 + max(work, default=0.0))
