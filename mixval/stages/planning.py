"""The plan: which contributors, which shards, how many rows, how much memory and time, before a cluster is up."""

from __future__ import annotations

from mixval.config.valuation import ValuationConfig
from mixval.contracts.plan import ContributorPlan, ShardRef, WorkPlan
from mixval.errors import CapacityError
from mixval.publish.names import visible
from mixval.stages.footprint import Footprint
from mixval.stages.measurements import require_measurements
from mixval.stages.routes import route_of
from mixval.stages.routes.base import USABLE_SHARE, Sizes
from mixval.storage.formats import has_footer
from mixval.storage.listing import Inputs

GRADIENT_SHARE = 0.25
"""Share of a worker's memory that gradients may take at a time, where `runtime.gradient_bytes` leaves it open."""


def make_plan(
    config: ValuationConfig,
    inputs: Inputs,
    footprint: Footprint,
    workers: int,
    worker_memory_bytes: int,
) -> WorkPlan:
    """The run's work: rows, passes, bytes and seconds of each contributor.

    A contributor that does not fit a worker has a `problem`; what its files say of themselves stops nobody else.

    Raises:
        CapacityError: a task of the target would not fit a worker, or no contributor would.
        ConfigError: the route cannot measure a term.
    """
    listed, target = inputs
    budget = config.runtime.gradient_bytes or int(GRADIENT_SHARE * worker_memory_bytes)
    sizes = Sizes(config, footprint, budget, sum(shard.n_rows for shard in target))
    route = route_of(config.ntk.method)
    require_measurements(route.name)
    limit = int(USABLE_SHARE * worker_memory_bytes)

    def planned(name: str, shards: list[ShardRef]) -> ContributorPlan:
        one = route.plan_contributor(name, shards, sizes)
        problem = route.misfit(one, sizes) or _too_large(one, limit, route.how_to_fit)
        return one if problem is None else one.model_copy(update={"problem": problem, "seconds": 0.0})

    plan = WorkPlan(
        contributors=[planned(name, shards) for name, shards in listed.items()],
        target=route.plan_target(target, sizes),
        n_parameters=footprint.n_parameters,
        worker_memory_bytes=worker_memory_bytes,
        workers=workers,
        notes=[*_notes(config), *_counting_notes([*listed.values(), target]), *route.notes(config)],
    )
    plan = plan.model_copy(update={"notes": [*plan.notes, *_below_count(config.sample.count, plan.to_check)]})
    route.refuse(plan, sizes)
    _refuse_where_nothing_fits(plan, _too_large(plan.target, limit, route.how_to_fit))
    return plan


def _notes(config: ValuationConfig) -> list[str]:
    if config.sample.count is None and config.sample.fraction is None:
        return ["every row is read through the backbone (`sample` is not set)"]
    return []


def _counting_notes(listings: list[list[ShardRef]]) -> list[str]:
    """What it cost to know the rows of files without a footer."""
    files = {shard.url: shard for shards in listings for shard in shards if not has_footer(shard.name)}
    if not files:
        return []
    size = sum(shard.size_bytes for shard in files.values()) / 2**20
    return [f"{len(files):,} files without a footer were read once to count their rows ({size:,.1f} MiB), and are in each pass"]


def _below_count(count: int | None, contributors: list[ContributorPlan]) -> list[str]:
    """A note where a limit of rows is not reached, as a route draws a share of the rows that it halves until they fit."""
    below = [one for one in contributors if count is not None and one.n_sampled < min(count, one.n_rows)]
    if not below:
        return []
    most = max(below, key=lambda one: one.n_rows)
    return [
        f"`sample.count: {count}` is a limit, met by halving the share that is read: {most.n_sampled:,} of {most.n_rows:,} "
        f"rows of {visible(most.name)}. `sample.fraction` sets the share itself"
    ]


def _too_large(one: ContributorPlan, limit: int, how_to_fit: str) -> str | None:
    """Why a contributor, or the target, does not fit a worker; None where it does."""
    if one.task_bytes <= limit:
        return None
    return (
        f"{one.n_rows:,} rows of {visible(one.name)} do not fit a worker. Expected at most {limit / 2**30:.1f} GiB a task "
        f"({USABLE_SHARE:.0%} of a worker's memory), found {one.task_bytes / 2**30:,.1f} GiB ({one.n_sampled:,} rows read, "
        f"{one.n_gradient_rows:,} gradients, of which {one.gradient_bytes / 2**30:.1f} GiB may be in memory at a time; "
        f"{one.pass_bytes / 2**30:.1f} GiB for a pass of `runtime.batch_rows` rows, texts of `backbone.max_length` tokens). "
        f"{how_to_fit}, or take fewer and larger workers (`runtime.workers`)."
    )


def _refuse_where_nothing_fits(plan: WorkPlan, of_target: str | None) -> None:
    with_rows = [one for one in plan.contributors if one.n_rows]
    problems = [one.problem for one in with_rows if one.problem is not None]
    found = problems[0] if of_target is None and len(problems) == len(with_rows) > 0 else of_target
    if found is not None:
        raise CapacityError(f"plan: {found}")
