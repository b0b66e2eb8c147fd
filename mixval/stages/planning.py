"""The plan: which contributors, which shards, how many rows, how much memory and time, before a cluster is up."""

from __future__ import annotations

from mixval.config.sample import SampleConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.plan import ContributorPlan, ShardRef, WorkPlan
from mixval.errors import CapacityError
from mixval.stages.coalitions import MOST_CONTRIBUTORS
from mixval.stages.footprint import Footprint
from mixval.stages.frame import most_features
from mixval.stages.frozen_head import head_bytes
from mixval.stages.summaries import PIECE_ROWS, halved_share
from mixval.storage.sample import part_counts
from mixval.storage.shards import list_contributors, list_target
from mixval.terms.ntk.groups import HELD, layer_groups, least_bytes

PROCESS_BYTES = 700 * 2**20
"""What a worker holds before it holds a row: Python, torch, transformers. Measured on CPU."""
GRADIENT_SHARE = 0.25
"""Share of a worker's memory that gradients may take at a time, where `runtime.gradient_bytes` leaves it open."""
GRAM_COPIES = 3
"""Gram matrices that a task holds at most: the matrix, its damped factor or another part, and the file that it goes into."""
SUMMARY_MATRICES = 9
"""Matrices of q x q in float64 that the terms of a summary hold at once: two parts, their sum, and five to solve with."""
SKETCH_BYTES = 12
"""Of each feature of T's sketch in a task: as it is stored, and in float64."""
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
    budget = config.runtime.gradient_bytes or int(GRADIENT_SHARE * worker_memory_bytes)
    beside = _target_rows(target, config)
    contributors = [
        _plan_one(name, shards, config, config.sample, footprint, budget, beside=beside) for name, shards in listed.items()
    ]
    plan = WorkPlan(
        contributors=contributors,
        target=_plan_one("target", target, config, config.discrepancy.target_sample, footprint, budget, gradients=False),
        n_parameters=footprint.n_parameters,
        worker_memory_bytes=worker_memory_bytes,
        workers=workers,
        notes=_notes(config),
    )
    if config.ntk.method == "sketched":
        _refuse_unions(plan, config)
    else:
        _refuse_small_budget(plan, footprint, budget, config.runtime.batch_rows, beside)
    _refuse_what_does_not_fit(plan, config)
    return plan


def _plan_one(
    name: str,
    shards: list[ShardRef],
    config: ValuationConfig,
    sample: SampleConfig,
    footprint: Footprint,
    budget: int,
    gradients: bool = True,
    beside: int = 0,
) -> ContributorPlan:
    """`beside` rows of T go through the gradient passes with the contributor's."""
    n_rows = sum(shard.n_rows for shard in shards)
    if gradients and config.ntk.method == "sketched":
        return _plan_summaries(name, shards, config, footprint, beside)
    n_sampled = sum(part_counts(n_rows, 0, sample.count, sample.fraction))
    chosen = config.ntk.sample
    n_gradient = sum(part_counts(n_rows, 0, chosen.count, chosen.fraction)) if gradients else 0
    row_bytes = sum(shard.size_bytes for shard in shards) / max(n_rows, 1)
    held = row_bytes * max(n_sampled, n_gradient) + 4 * n_sampled * footprint.n_dimensions
    n_kernel = n_gradient + beside
    # What a task holds of gradients is the budget, or less where all of them take less.
    taken = min(budget, n_kernel * sum(footprint.weight_bytes.values()) / HELD)
    # The terms, which are told from features too, are made in a task of their own.
    kernels = max(
        GRAM_COPIES * 8 * n_kernel * n_kernel, head_bytes(n_sampled) if _has_head(config, n_sampled, n_gradient) else 0
    )
    task_bytes = PROCESS_BYTES + held + taken + kernels + footprint.model_bytes
    if not gradients and _is_judged_by_sketches(config):
        task_bytes += n_sampled * SKETCH_BYTES * most_features(config.ntk)
    groups = layer_groups(footprint.weight_bytes, n_kernel, budget) if n_kernel else []
    return ContributorPlan(
        name=name,
        shards=shards,
        n_rows=n_rows,
        n_sampled=n_sampled,
        n_gradient_rows=n_gradient,
        n_passes=len(groups),
        gradient_bytes=budget,
        task_bytes=int(task_bytes),
        seconds=footprint.seconds(n_sampled, n_kernel * max(1, len(groups))),
    )


def _target_rows(target: list[ShardRef], config: ValuationConfig) -> int:
    """Rows of T beside a contributor's, where the value is the risk: of its gradient sample, or of its sketch."""
    if config.value.method != "risk":
        return 0
    chosen = config.discrepancy.target_sample if config.ntk.method == "sketched" else config.ntk.sample
    return sum(part_counts(sum(shard.n_rows for shard in target), 0, chosen.count, chosen.fraction))


def _has_head(config: ValuationConfig, n_sampled: int, n_gradient: int) -> bool:
    return config.values_rows_read and 0 < n_gradient < n_sampled


def _is_judged_by_sketches(config: ValuationConfig) -> bool:
    return config.value.method == "risk" and config.ntk.method == "sketched"


def _plan_summaries(
    name: str, shards: list[ShardRef], config: ValuationConfig, footprint: Footprint, beside: int
) -> ContributorPlan:
    """One pass over the drawn rows, a piece at a time; then sums of q x q, whatever the rows."""
    n_rows, q = sum(shard.n_rows for shard in shards), most_features(config.ntk)
    share = halved_share(config.sample, n_rows, n_rows)
    largest = max((shard for shard in shards), key=lambda shard: shard.n_rows, default=None)
    piece = 0.0 if largest is None else min(share * largest.n_rows, PIECE_ROWS)
    row_bytes = sum(shard.size_bytes for shard in shards) / max(n_rows, 1)
    # Of each row of a piece: its content, features and sketch, with the copies that splitting by part makes.
    held = piece * (row_bytes + 2 * 4 * (footprint.n_dimensions + q))
    batch = min(config.runtime.batch_rows, piece) * sum(footprint.weight_bytes.values())
    task_bytes = PROCESS_BYTES + held + batch + SUMMARY_MATRICES * 8 * q * q + footprint.model_bytes
    task_bytes += beside * SKETCH_BYTES * q
    drawn = round(share * n_rows)
    return ContributorPlan(
        name=name,
        shards=shards,
        n_rows=n_rows,
        n_sampled=drawn,
        n_gradient_rows=drawn,
        n_passes=1,
        task_bytes=int(task_bytes),
        seconds=footprint.gradient_seconds_per_row * drawn,
    )


def _notes(config: ValuationConfig) -> list[str]:
    notes = []
    if config.sample.count is None and config.sample.fraction is None:
        notes.append("every row is read through the backbone (`sample` is not set)")
    if config.ntk.method != "sketched" and config.ntk.sample.count is None and config.ntk.sample.fraction is None:
        notes.append("every row's gradient is taken (`ntk.sample` is not set): the Gram matrix grows with rows squared")
    return notes


def _refuse_unions(plan: WorkPlan, config: ValuationConfig) -> None:
    """Values of unions hold every player's Gram matrix at once, in float32, and a few in float64."""
    players, q = min(len(plan.contributors), MOST_CONTRIBUTORS), most_features(config.ntk)
    needed = PROCESS_BYTES + (4 * players + 8 * SUMMARY_MATRICES) * q * q
    limit = USABLE_SHARE * plan.worker_memory_bytes
    if config.value.coalitions and players > 1 and needed > limit:
        raise CapacityError(
            f"plan: values of unions of {players} contributors do not fit a worker. Expected at most {limit / 2**30:.1f} GiB, "
            f"found {needed / 2**30:.1f} GiB for sketches of {q:,} features. Lower `ntk.sketch_features`, set "
            "`value.coalitions: 0`, or take fewer and larger workers (`runtime.workers`)."
        )


def _refuse_small_budget(plan: WorkPlan, footprint: Footprint, budget: int, batch_rows: int, beside: int) -> None:
    most_rows = max((one.n_gradient_rows for one in plan.contributors), default=0) + beside
    least = least_bytes(footprint.weight_bytes, most_rows, batch_rows)
    if budget < least:
        raise CapacityError(
            f"plan: the gradients of {min(most_rows, batch_rows)} rows over the widest weight do not fit the budget. Expected "
            f"at least {least / 2**20:,.1f} MiB, found {budget / 2**20:,.1f} MiB (`runtime.gradient_bytes`, by default a "
            f"quarter of a worker's memory). Raise it, lower `runtime.batch_rows`, or choose other `ntk.parameters`."
        )


def _refuse_what_does_not_fit(plan: WorkPlan, config: ValuationConfig) -> None:
    limit = USABLE_SHARE * plan.worker_memory_bytes
    too_big = [one for one in (*plan.contributors, plan.target) if one.task_bytes > limit]
    if not too_big:
        return
    worst = max(too_big, key=lambda one: one.task_bytes)
    raise CapacityError(
        f"plan: {len(too_big)} contributor(s) do not fit a worker. Expected at most {limit / 2**30:.1f} GiB a task "
        f"({USABLE_SHARE:.0%} of a worker's {plan.worker_memory_bytes / 2**30:.1f} GiB), found {worst.task_bytes / 2**30:.1f} "
        f"GiB for {worst.name!r} ({worst.n_sampled} rows read, {worst.n_gradient_rows} gradients, of which "
        f"{worst.gradient_bytes / 2**30:.1f} GiB may be held at a time). {_ways_to_fit(config)}, or take fewer and larger "
        "workers (`runtime.workers`)."
    )


def _ways_to_fit(config: ValuationConfig) -> str:
    if config.ntk.method == "sketched":
        return "Lower `ntk.sketch_features`, `runtime.batch_rows` or `discrepancy.target_sample.count`"
    return (
        "Set `ntk.method: sketched`, which holds sums instead of a Gram matrix, whatever the rows; or lower `sample.count`, "
        "`ntk.sample.count` or `runtime.gradient_bytes`"
    )
