"""A route: one way of measuring, from admitted rows to terms and value. There are two, `exact.py` and `sketched.py`.

Everything that differs between ways of measuring is a method of the route; plan, flow, reduction and coalitions call it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from mixval.config.sample import SampleConfig
from mixval.config.valuation import ValuationConfig
from mixval.config.value import ValueConfig
from mixval.contracts.plan import ContributorPlan, ShardRef, WorkPlan
from mixval.contracts.record import ArtifactRef
from mixval.publish.paper_deviations import RouteDeviations
from mixval.stages.footprint import Footprint
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Measured
from mixval.stages.measurements import measured_terms
from mixval.stages.steps import Step
from mixval.storage.sample import part_counts
from mixval.valuation.eq8_coalitions import Eq8Game
from mixval.valuation.regression_coalitions import RegressionGame

Stored = TypeVar("Stored")
CoalitionGame = RegressionGame | Eq8Game
"""Coalitions valued by regression, or by Eq. 8."""

PROCESS_BYTES = 700 * 2**20
"""Memory of a worker before its first row: Python, torch, transformers. Measured on CPU."""
USABLE_SHARE = 0.8
"""Share of a worker's memory that a task may plan to fill; Dask pauses a worker at 0.85."""


@dataclass(frozen=True)
class Sizes:
    """What the plan of a contributor depends on besides its own shards."""

    config: ValuationConfig
    footprint: Footprint
    budget_bytes: int
    """Bytes of gradients and their factors that a task may have in memory at a time."""
    n_target: int
    """Rows of T."""

    def beside(self, sample: SampleConfig) -> int:
        """Rows of T's gradient sample that are appended to a contributor's: where the value is by NTK regression."""
        return rows_drawn(self.n_target, sample) if self.config.value.method == "ntk-regression" else 0

    def pass_bytes(self, n_rows: int) -> int:
        """Bytes that a gradient pass over so many rows keeps of a batch, beside the gradients."""
        batch_rows = 1 if self.footprint.is_alone else self.config.runtime.batch_rows
        return min(batch_rows, n_rows) * self.footprint.activation_bytes


class Coalitions(Protocol):
    """Values of coalitions of contributors from what a route has stored of each."""

    most_players: int
    """Contributors that take part at most."""

    def inputs(self, jobs: Sequence[MeasureJob], target: MeasureJob) -> dict[str, Any]:
        """Entries of the fingerprint of their values."""

    def game(self, jobs: Sequence[MeasureJob], target: MeasureJob, coefficients: Floats, centres: Floats) -> CoalitionGame:
        """The game over these contributors; `coefficients` (T,) and `centres` (T,) weigh Eq. 8's terms."""


class Route(ABC, Generic[Stored]):
    """A way of measuring. It has no state; a contributor's artifacts are named by its job and the target's."""

    name: ClassVar[str]
    """Its name in `ntk.method` and in `mixval/stages/measurements.py`, which has its measurement of each term."""
    how_to_fit: ClassVar[str]
    """What to do where a task does not fit a worker: the beginning of a sentence."""
    coalitions: ClassVar[Coalitions | None] = None
    """None where what is stored of contributors does not add up."""

    @abstractmethod
    def plan_contributor(self, name: str, shards: list[ShardRef], sizes: Sizes) -> ContributorPlan:
        """Rows, passes, bytes and seconds of measuring a contributor."""

    def plan_target(self, shards: list[ShardRef], sizes: Sizes) -> ContributorPlan:
        """The same of T's own steps: a forward pass, and what the route computes from it."""
        n_rows = sum(shard.n_rows for shard in shards)
        n_sampled = rows_drawn(n_rows, sizes.config.discrepancy.target_sample)
        row_memory = row_bytes(shards, n_sampled, n_sampled, sizes.footprint)
        pass_bytes = sizes.pass_bytes(n_sampled)
        return ContributorPlan(
            name="target",
            shards=shards,
            n_rows=n_rows,
            n_sampled=n_sampled,
            n_gradient_rows=0,
            n_passes=0,
            gradient_bytes=sizes.budget_bytes,
            pass_bytes=pass_bytes,
            task_bytes=int(PROCESS_BYTES + row_memory + pass_bytes + sizes.footprint.model_bytes + self.target_bytes(sizes)),
            seconds=sizes.footprint.seconds(n_sampled, 0),
        )

    def target_bytes(self, sizes: Sizes) -> int:  # noqa: ARG002  a route with further steps of T overrides it
        """Bytes that T's steps need besides its forward pass."""
        return 0

    @abstractmethod
    def row_passes(self, one: ContributorPlan, value: ValueConfig, n_target: int) -> dict[str, int]:
        """Kind of artifact -> rows that making a contributor's takes passes or time for; `n_target` rows of T are sampled."""

    def misfit(self, one: ContributorPlan, sizes: Sizes) -> str | None:  # noqa: ARG002  a route with further limits overrides it
        """Why a contributor cannot be measured in a way that the size of its task does not show; None where it can."""
        return None

    def refuse(self, plan: WorkPlan, sizes: Sizes) -> None:
        """Raise `CapacityError` where what is made of all contributors together exceeds memory."""

    @abstractmethod
    def notes(self, config: ValuationConfig) -> list[str]:
        """Sentences for the plan about what will be large."""

    @abstractmethod
    def paper_deviations(self, config: ValuationConfig) -> RouteDeviations:
        """Where measuring this way departs from the published method."""

    @abstractmethod
    def passes(self, jobs: Sequence[MeasureJob], target: MeasureJob) -> dict[str, list[ArtifactRef]]:
        """Artifacts that passes over rows make, by kind: what a run counts as found or recomputed."""

    def kept(self, job: MeasureJob, target: MeasureJob) -> list[ArtifactRef]:  # noqa: ARG002  a route that sums overrides it
        """Artifacts of a contributor that are read when its terms are known: by `mixval value RUN --union`."""
        return []

    @abstractmethod
    def shared_steps(self, target: MeasureJob) -> list[Step]:
        """Steps made once for all contributors, in order."""

    @abstractmethod
    def own_steps(self, job: MeasureJob, target: MeasureJob) -> list[Step]:
        """Steps of one contributor before its terms, in order."""

    @abstractmethod
    def inputs(self, job: MeasureJob, target: MeasureJob) -> dict[str, Any]:
        """Entries of the fingerprint of a contributor's terms: the artifacts they are computed from, and settings."""

    @abstractmethod
    def stored(self, job: MeasureJob, target: MeasureJob) -> Stored:
        """The committed artifacts of a contributor, read once for all measurements of terms and value."""

    def terms(self, job: MeasureJob, target: MeasureJob, stored: Stored) -> dict[str, Measured]:
        """Every term by name, in the order of `TERMS`, as `mixval/stages/measurements.py` says of this route."""
        return measured_terms(self.name, job, target, stored)

    @abstractmethod
    def value(self, job: MeasureJob, target: MeasureJob, stored: Stored) -> Measured:
        """The value by NTK regression."""


def rows_drawn(n_rows: int, sample: SampleConfig) -> int:
    """Rows that a sample of so many draws."""
    return sum(part_counts(n_rows, 0, sample.count, sample.fraction))


def row_bytes(shards: Sequence[ShardRef], n_read: int, n_features: int, footprint: Footprint) -> float:
    """Bytes of the content of `n_read` rows and of the features of `n_features`."""
    n_rows = sum(shard.n_rows for shard in shards)
    bytes_a_row = sum(shard.size_bytes for shard in shards) / max(n_rows, 1)
    return bytes_a_row * n_read + 4 * n_features * footprint.n_dimensions
