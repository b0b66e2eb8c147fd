"""The plan: which contributors, which shards, how many rows, how much memory and time, before a cluster is up."""

from __future__ import annotations

from mixval.config.sample import SampleConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.plan import ContributorPlan, ShardRef, WorkPlan
from mixval.errors import CapacityError
from mixval.stages.footprint import Footprint
from mixval.storage.sample import part_counts
from mixval.storage.shards import list_contributors, list_target

PROCESS_BYTES = 700 * 2**20
"""What a worker holds before it holds a row: Python, torch, transformers. Measured on CPU."""
USABLE_SHARE = 0.8
"""Share of a worker's memory that a task may plan to fill; Dask pauses a worker at 0.85."""


Inputs = tuple[dict[str, list[ShardRef]], list[ShardRef]]
"""Contributors' shards by name, and the target's."""


def list_inputs(config: ValuationConfig) -> Inputs:
    """Sorted listings of contributors and target. Reads footers, no rows."""
    return list_contributors(config.source), list_target(config.source)


def make_plan(
    config: ValuationConfig,
    inputs: Inputs,
    footprint: Footprint,
    workers: int,
    worker_memory_bytes: int,
) -> WorkPlan:
    """What the run will do and hold. Raises `CapacityError` when a task would not fit a worker."""
    listed, target = inputs
    contributors = [_plan_one(name, shards, config, config.sample, footprint) for name, shards in listed.items()]
    plan = WorkPlan(
        contributors=contributors,
        target=_plan_one("target", target, config, config.discrepancy.target_sample, footprint, gradients=False),
        n_parameters=footprint.n_parameters,
        worker_memory_bytes=worker_memory_bytes,
        workers=workers,
        notes=_notes(config),
    )
    _refuse_what_does_not_fit(plan)
    return plan


def _plan_one(
    name: str,
    shards: list[ShardRef],
    config: ValuationConfig,
    sample: SampleConfig,
    footprint: Footprint,
    gradients: bool = True,
) -> ContributorPlan:
    n_rows = sum(shard.n_rows for shard in shards)
    n_sampled = sum(part_counts(n_rows, 0, sample.count, sample.fraction))
    chosen = config.ntk.sample
    n_gradient = sum(part_counts(n_rows, 0, chosen.count, chosen.fraction)) if gradients else 0
    sliced = min(n_gradient, config.ntk.slice_rows)
    row_bytes = sum(shard.size_bytes for shard in shards) / max(n_rows, 1)
    held = row_bytes * max(n_sampled, n_gradient) + 4 * n_sampled * footprint.n_dimensions
    # A block task holds two slices and the block; the assembling task holds the matrix twice.
    slices = 1 if n_gradient <= config.ntk.slice_rows else 2
    gram = 8 * max(sliced * sliced, 2 * n_gradient * n_gradient if slices == 2 else 3 * n_gradient * n_gradient)
    task_bytes = PROCESS_BYTES + held + slices * sliced * footprint.slice_bytes_per_row + gram + footprint.model_bytes
    return ContributorPlan(
        name=name,
        shards=shards,
        n_rows=n_rows,
        n_sampled=n_sampled,
        n_gradient_rows=n_gradient,
        n_slices=max(1, -(-n_gradient // config.ntk.slice_rows)),
        task_bytes=int(task_bytes),
        seconds=footprint.seconds(n_sampled, n_gradient),
    )


def _notes(config: ValuationConfig) -> list[str]:
    notes = []
    if config.sample.count is None and config.sample.fraction is None:
        notes.append("every row is read through the backbone (`sample` is not set)")
    if config.ntk.sample.count is None and config.ntk.sample.fraction is None:
        notes.append("every row's gradient is taken (`ntk.sample` is not set): the Gram matrix grows with rows squared")
    return notes


def _refuse_what_does_not_fit(plan: WorkPlan) -> None:
    limit = USABLE_SHARE * plan.worker_memory_bytes
    too_big = [one for one in (*plan.contributors, plan.target) if one.task_bytes > limit]
    if not too_big:
        return
    worst = max(too_big, key=lambda one: one.task_bytes)
    raise CapacityError(
        f"plan: {len(too_big)} contributor(s) do not fit a worker. Expected at most {limit / 2**30:.1f} GiB a task "
        f"({USABLE_SHARE:.0%} of a worker's {plan.worker_memory_bytes / 2**30:.1f} GiB), found {worst.task_bytes / 2**30:.1f} "
        f"GiB for {worst.name!r} ({worst.n_sampled} rows read, {worst.n_gradient_rows} gradients). Lower `sample.count`, "
        "`ntk.sample.count` or `ntk.slice_rows`, or take fewer and larger workers (`runtime.workers`)."
    )
