"""The route by gradient sketches: one pass over each contributor, shard by shard, into sums additive over shards and
contributors.

T comes first: its forward pass, its preconditioner if any, the shared sketch, and where the value is by NTK regression its
sketched gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mixval.config.valuation import ValuationConfig
from mixval.config.value import ValueConfig
from mixval.contracts.plan import ContributorPlan, ShardRef, WorkPlan
from mixval.contracts.record import ArtifactRef
from mixval.errors import CapacityError
from mixval.publish.paper_deviations import RouteDeviations, limit_words, terms_from
from mixval.stages.eq8_coalitions import eq8_game
from mixval.stages.forward import forward_pass, forward_ref
from mixval.stages.group_counts import counts_ref, counts_step
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Floats, Measured
from mixval.stages.preconditioning import preconditioner_steps
from mixval.stages.regression_coalitions import regression_game
from mixval.stages.regression_value import sketched_regression_value
from mixval.stages.routes.base import PROCESS_BYTES, USABLE_SHARE, CoalitionGame, Route, Sizes
from mixval.stages.shared_sketch import make_shared_sketch, most_features, shared_sketch_ref
from mixval.stages.statistics import (
    PIECE_ROWS,
    PartStatistics,
    halved_share,
    piece_refs,
    read_statistics,
    statistics_ref,
    statistics_work,
)
from mixval.stages.statistics_terms import require_rows
from mixval.stages.steps import Step, one_call
from mixval.stages.target_gradients import make_target_gradients, read_target_gradients, target_gradients_ref

STATISTICS_MATRICES = 9
"""Matrices of q x q in float64 in memory for the terms of a contributor: two parts, their sum, and five to solve with."""
SKETCH_BYTES = 12
"""Of each feature of T's sketch in a task: as it is stored, and in float64."""


class SummedContributors:
    """Games over contributors from their sufficient statistics."""

    most_players: int = 50
    """The best-ranked contributors that take part. Their pairs are 1,225 coalitions: a minute at q = 2,048."""

    def inputs(self, jobs: Sequence[MeasureJob], target: MeasureJob) -> dict[str, Any]:
        """Sufficient statistics, and T's gradients where the value is a regression."""
        summaries: dict[str, Any] = {"statistics": [statistics_ref(job, target).fingerprint for job in jobs]}
        return summaries | ({"target": target_gradients_ref(target).fingerprint} if target.is_ntk_regression else {})

    def game(self, jobs: Sequence[MeasureJob], target: MeasureJob, coefficients: Floats, centres: Floats) -> CoalitionGame:
        """By NTK regression, or by Eq. 8, whose v of the empty coalition is that of the worst contributor alone."""
        if target.is_ntk_regression:
            return regression_game(jobs, target)
        game = eq8_game(jobs, target, coefficients, centres)
        return replace(game, empty_value=min(game.value(alone) for alone in np.eye(len(jobs), dtype=np.bool_)))


class SketchedRoute(Route[PartStatistics]):
    """Mergeable sufficient statistics."""

    name = "sketched"
    how_to_fit = "Lower `ntk.sketch_features`, `runtime.batch_rows` or `discrepancy.target_sample.count`"
    coalitions = SummedContributors()

    def plan_contributor(self, name: str, shards: list[ShardRef], sizes: Sizes) -> ContributorPlan:
        """One pass over the drawn rows, a piece at a time; then sums of q x q, whatever the rows."""
        config, footprint = sizes.config, sizes.footprint
        n_rows, q = sum(shard.n_rows for shard in shards), most_features(config.ntk)
        share = halved_share(config.sample, n_rows, n_rows)
        largest = max((shard for shard in shards), key=lambda shard: shard.n_rows, default=None)
        piece = 0.0 if largest is None else min(share * largest.n_rows, PIECE_ROWS)
        row_bytes = sum(shard.size_bytes for shard in shards) / max(n_rows, 1)
        # Of each row of a piece: its content, features and sketch, with the copies that splitting by part makes.
        row_memory = piece * (row_bytes + 2 * 4 * (footprint.n_dimensions + q))
        batch = min(config.runtime.batch_rows, piece) * sum(footprint.weight_bytes.values())
        matrices = STATISTICS_MATRICES + (config.value.most_groups if config.value.groups else 0)
        task_bytes = PROCESS_BYTES + row_memory + batch + matrices * 8 * q * q + footprint.model_bytes
        task_bytes += sizes.beside(config.discrepancy.target_sample) * SKETCH_BYTES * q
        drawn = round(share * n_rows)
        pass_bytes = sizes.pass_bytes(drawn)
        return ContributorPlan(
            name=name,
            shards=shards,
            n_rows=n_rows,
            n_sampled=drawn,
            n_gradient_rows=drawn,
            n_passes=1,
            pass_bytes=pass_bytes,
            task_bytes=int(task_bytes + pass_bytes),
            seconds=footprint.gradient_seconds_per_row * drawn,
        )

    def row_passes(self, one: ContributorPlan, value: ValueConfig, n_target: int) -> dict[str, int]:  # noqa: ARG002
        """One pass; terms grow with the rows kept for replicates."""
        return {"piece-statistics": one.n_sampled, "terms": min(one.n_sampled, value.replicate_rows)}

    def target_bytes(self, sizes: Sizes) -> int:
        """T's sketch, where the value is a regression."""
        return sizes.beside(sizes.config.discrepancy.target_sample) * SKETCH_BYTES * most_features(sizes.config.ntk)

    def refuse(self, plan: WorkPlan, sizes: Sizes) -> None:
        """Values of coalitions need every contributor's Gram matrix in memory, in float32, and a few in float64."""
        measurable = [one for one in plan.to_check if not any(shard.problem for shard in one.shards)]
        players, q = min(len(measurable), SummedContributors.most_players), most_features(sizes.config.ntk)
        needed = PROCESS_BYTES + (4 * players + 8 * STATISTICS_MATRICES) * q * q
        limit = USABLE_SHARE * plan.worker_memory_bytes
        if sizes.config.value.coalitions and players > 1 and needed > limit:
            raise CapacityError(
                f"plan: values of coalitions of {players} contributors do not fit a worker. Expected at most "
                f"{limit / 2**30:.1f} "
                f"GiB, found {needed / 2**30:.1f} GiB for sketches of {q:,} features. Lower `ntk.sketch_features`, set "
                "`value.coalitions: 0`, or take fewer and larger workers (`runtime.workers`)."
            )

    def notes(self, config: ValuationConfig) -> list[str]:  # noqa: ARG002  sums are of one size whatever the rows
        """None."""
        return []

    def paper_deviations(self, config: ValuationConfig) -> RouteDeviations:
        """Samples of rows, and the sketch."""
        read, ntk = limit_words(config.sample), config.ntk
        told = f"All terms but {terms_from('all')} are estimated on {read} of a contributor; the paper uses all rows."
        rows = [told] if read else []
        wanted = "" if ntk.sketch_error is None else f" or more, for an error of {ntk.sketch_error:g} on the target"
        sketch = f"NTK: from sketches of {ntk.sketch_features:,} features{wanted}; their error is in terms.parquet."
        return RouteDeviations(rows, [sketch])

    def passes(self, jobs: Sequence[MeasureJob], target: MeasureJob) -> dict[str, list[ArtifactRef]]:
        """T's forward pass and gradients, and the sufficient statistics of single pieces."""
        found = {
            "forward": [forward_ref(target)],
            "piece-statistics": [ref for job in jobs for ref in piece_refs(job, target)],
        }
        found |= {one.ref.kind: [one.ref] for one in preconditioner_steps(target)}
        return found | ({"target-gradients": [target_gradients_ref(target)]} if target.is_ntk_regression else {})

    def kept(self, job: MeasureJob, target: MeasureJob) -> list[ArtifactRef]:
        """The sufficient statistics, and the rows of each group."""
        return [statistics_ref(job, target), *([counts_ref(job, target)] if job.value.groups else [])]

    def shared_steps(self, target: MeasureJob) -> list[Step]:
        """T's forward pass, its preconditioner if any, the shared sketch, and T's gradients where the value is by NTK
        regression."""
        store = target.store
        first = self._first_steps(target)
        if not target.is_ntk_regression:
            return first
        gradients = one_call(
            "target gradients", store, target_gradients_ref(target), make_target_gradients, target, after=first
        )
        return [*first, gradients]

    def _first_steps(self, target: MeasureJob) -> list[Step]:
        """What contributors' sufficient statistics wait for."""
        store = target.store
        own = [one_call("forward target", store, forward_ref(target), forward_pass, target), *preconditioner_steps(target)]
        return [*own, one_call("shared_sketch", store, shared_sketch_ref(target), make_shared_sketch, target, after=own)]

    def own_steps(self, job: MeasureJob, target: MeasureJob) -> list[Step]:
        """The sufficient statistics: pieces of the shards side by side, then their sum. They need no gradients of T. Then the
        rows of each group, whose sums are made in the same pass.
        """
        after = tuple(self._first_steps(target))
        label = f"summary {job.contributor.name}"
        summary = Step(label, job.store, statistics_ref(job, target), lambda: statistics_work(job, target), after)
        # After the summary, whose pass makes the groups' sums too.
        return [summary, *([counts_step(job, target, (*after, summary))] if job.value.groups else [])]

    def inputs(self, job: MeasureJob, target: MeasureJob) -> dict[str, Any]:
        """The sufficient statistics, and T's gradients where the value is by NTK regression."""
        measured: dict[str, Any] = {"statistics": statistics_ref(job, target).fingerprint}
        if job.is_ntk_regression:
            measured |= {
                "regression_value": [job.regression_damping],
                "target_gradients": target_gradients_ref(target).fingerprint,
            }
        return measured | {"ntk": job.ntk.model_dump(include={"residual", "damping", "damping_mode"})}

    def stored(self, job: MeasureJob, target: MeasureJob) -> PartStatistics:
        """The sufficient statistics. Raises NumericalError where too few rows of a part were drawn."""
        by_part = read_statistics(job, statistics_ref(job, target))
        require_rows(job, by_part)
        return by_part

    def value(self, job: MeasureJob, target: MeasureJob, stored: PartStatistics) -> Measured:
        """From sums, against T's gradients."""
        return sketched_regression_value(job, stored, read_target_gradients(target))
