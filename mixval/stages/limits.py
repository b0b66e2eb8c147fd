"""Time that a task on one contributor's data may take: many times what an honest one does, so that none of those is ended."""

from __future__ import annotations

from mixval.config.runtime import RuntimeConfig
from mixval.contracts.plan import ContributorPlan, WorkPlan

LEAST_SECONDS = 600.0
"""For any task: starting, imports and loading a model are in it, on a machine that others use."""
TIMES_PLANNED = 20.0
"""Of the plan's seconds, which are projected from four rows."""
ROW_SECONDS = 0.05
"""For each row to be read and checked: twenty times what the gate takes."""
MIB_SECONDS = 1.0
"""For each MiB to be fetched, compared with its digest and decoded."""
MIB = 2**20


def with_limits(plan: WorkPlan, runtime: RuntimeConfig) -> WorkPlan:
    """The plan with the seconds that each contributor's tasks may take, and a note that says so."""
    limited = [one.model_copy(update={"most_seconds": most_seconds(one, runtime)}) for one in plan.contributors]
    longest = max((one.most_seconds or 0.0 for one in limited), default=0.0)
    given = "`runtime.task_seconds`" if runtime.task_seconds is not None else "from rows, bytes and planned seconds"
    note = (
        f"a task on a contributor's data is ended after {longest:,.0f} s at the latest ({given}), or with more memory than its "
        f"worker's {plan.worker_memory_bytes / 2**30:.1f} GiB; the contributor fails then, and the others go on"
    )
    return plan.model_copy(update={"contributors": limited, "notes": [*plan.notes, note]})


def most_seconds(one: ContributorPlan, runtime: RuntimeConfig) -> float:
    """Seconds that a task on this contributor's data may take on a worker."""
    if runtime.task_seconds is not None:
        return runtime.task_seconds
    n_bytes = sum({shard.url: shard.size_bytes for shard in one.shards}.values())
    n_rows = min(one.n_rows, n_bytes)  # a file of many rows to the byte says so itself
    return LEAST_SECONDS + TIMES_PLANNED * one.seconds + ROW_SECONDS * n_rows + MIB_SECONDS * n_bytes / MIB
