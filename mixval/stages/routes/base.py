"""What a route is: one way from admitted rows to terms and value. `exact.py` and `sketched.py` are the two there are.

Everything that differs between ways of measuring stands in a route; plan, flow, reduction and coalitions ask it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from mixval.config.sample import SampleConfig
from mixval.config.valuation import ValuationConfig
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
"""What a worker holds before it holds a row: Python, torch, transformers. Measured on CPU."""
USABLE_SHARE = 0.8
"""Share of a worker's memory that a task may plan to fill; Dask pauses a worker at 0.85."""


@dataclass(frozen=True)
class Sizes:
    """What charges depend on beside a contributor's own shards."""

    config: ValuationConfig
    footprint: Footprint
    budget_bytes: int
    """Of gradients and their factors that a task may hold at a time."""
    n_target: int
    """Rows of T."""

    def beside(self, sample: SampleConfig) -> int:
        """Rows of T that a sample draws, where they go beside a contributor's: where the value is a regression."""
        return rows_drawn(self.n_target, sample) if self.config.value.method == "ntk-regression" else 0


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
    """What `ntk.method` calls it, and `mixval/stages/measurements.py`, which says how it measures each term."""
    how_to_fit: ClassVar[str]
    """What to do where a task does not fit a worker: the beginning of a sentence."""
    coalitions: ClassVar[Coalitions | None] = None
    """None where what is stored of contributors does not add up."""

    @abstractmethod
    def plan_contributor(self, name: str, shards: list[ShardRef], sizes: Sizes) -> ContributorPlan:
        """What measuring a contributor takes."""

    def plan_target(self, shards: list[ShardRef], sizes: Sizes) -> ContributorPlan:
        """What T's own steps take: a forward pass, and what the route makes of it."""
        n_rows = sum(shard.n_rows for shard in shards)
        n_sampled = rows_drawn(n_rows, sizes.config.discrepancy.target_sample)
        held = held_bytes(shards, n_sampled, n_sampled, sizes.footprint)
        return ContributorPlan(
            name="target",
            shards=shards,
            n_rows=n_rows,
            n_sampled=n_sampled,
            n_gradient_rows=0,
            n_passes=0,
            gradient_bytes=sizes.budget_bytes,
            task_bytes=int(PROCESS_BYTES + held + sizes.footprint.model_bytes + self.target_bytes(sizes)),
            seconds=sizes.footprint.seconds(n_sampled, 0),
        )

    def target_bytes(self, sizes: Sizes) -> int:  # noqa: ARG002  a route that makes more of T says how much
        """Bytes that T's steps hold beside its forward pass."""
        return 0

    @abstractmethod
    def refuse(self, plan: WorkPlan, sizes: Sizes) -> None:
        """Raise `CapacityError` for what the plan shows cannot be held, whatever single tasks hold."""

    @abstractmethod
    def notes(self, config: ValuationConfig) -> list[str]:
        """Sentences for the plan: what will be large."""

    @abstractmethod
    def paper_deviations(self, config: ValuationConfig) -> RouteDeviations:
        """Where measuring this way departs from the published method."""

    @abstractmethod
    def passes(self, jobs: Sequence[MeasureJob], target: MeasureJob) -> dict[str, list[ArtifactRef]]:
        """Artifacts that passes over rows make, by kind: what a run counts as found or recomputed."""

    @abstractmethod
    def shared_steps(self, target: MeasureJob) -> list[Step]:
        """What is made once for all contributors, in order."""

    @abstractmethod
    def own_steps(self, job: MeasureJob, target: MeasureJob) -> list[Step]:
        """What is made of one contributor before its terms are told."""

    @abstractmethod
    def inputs(self, job: MeasureJob, target: MeasureJob) -> dict[str, Any]:
        """Entries of the fingerprint of a contributor's terms: what they are told from, under which switches."""

    @abstractmethod
    def stored(self, job: MeasureJob, target: MeasureJob) -> Stored:
        """What the steps committed of a contributor, read once for terms and value: what measurements are given."""

    def terms(self, job: MeasureJob, target: MeasureJob, stored: Stored) -> dict[str, Measured]:
        """Every term by name, in the order of `TERMS`, as `mixval/stages/measurements.py` says of this route."""
        return measured_terms(self.name, job, target, stored)

    @abstractmethod
    def value(self, job: MeasureJob, target: MeasureJob, stored: Stored) -> Measured:
        """The value by NTK regression."""


def rows_drawn(n_rows: int, sample: SampleConfig) -> int:
    """Rows that a sample of so many draws."""
    return sum(part_counts(n_rows, 0, sample.count, sample.fraction))


def held_bytes(shards: Sequence[ShardRef], n_read: int, n_features: int, footprint: Footprint) -> float:
    """Bytes of so many rows' content, and of the features of so many."""
    n_rows = sum(shard.n_rows for shard in shards)
    row_bytes = sum(shard.size_bytes for shard in shards) / max(n_rows, 1)
    return row_bytes * n_read + 4 * n_features * footprint.n_dimensions
