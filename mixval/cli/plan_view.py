"""A plan as a table, and as a document."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.publish.names import shortened, visible
from mixval.stages.preparing import PreparedRun

MIB = 2**20


def plan_document(prepared: PreparedRun) -> dict[str, Any]:
    """The plan as JSON-able values, with the run's fingerprint."""
    names = list(prepared.target_job.target_classes.names) or None
    own = {"fingerprint": prepared.fingerprint, "classes": prepared.classes, "class_names": names}
    warnings = [one.model_dump(mode="json") for one in prepared.warnings]
    return own | {"warnings": warnings} | prepared.plan.model_dump(mode="json")


def print_plan(prepared: PreparedRun, console: Console | None = None) -> None:
    """The plan on a terminal: rows, gradients, passes, memory and time per contributor."""
    plan = prepared.plan
    table = Table(title="What a run would do", title_justify="left")
    table.add_column("contributor")
    for heading in ("shards", "rows", "rows read", "gradients", "passes", "task MiB", "seconds"):
        table.add_column(heading, justify="right")
    for one in (*plan.contributors, plan.target):
        numbers = (len(one.shards), one.n_rows, one.n_sampled, one.n_gradient_rows, one.n_passes, one.task_bytes // MIB)
        name = escape(shortened(visible(one.name), 40))
        table.add_row(name, *(f"{number:,}" for number in numbers), f"{one.seconds:.1f}")
    console = console or Console()
    console.print(table)
    gib = plan.worker_memory_bytes / 2**30
    console.print(f"{plan.n_parameters:,} parameters in the NTK. {plan.workers} worker(s) with {gib:.1f} GiB each:")
    console.print(f"about {plan.measure_seconds:.0f} s to measure, without start-up, gate, coalitions and report.")
    for one_warning in prepared.warnings:
        console.print(escape(f"{one_warning.severity.capitalize()}: {visible(one_warning.words)}"))
    for note in plan.notes:
        console.print(f"Note: {note}.")
    problems = [(one.name, shard) for one in plan.contributors for shard in one.shards if shard.problem]
    for name, shard in problems:
        console.print(escape(f"The gate will reject {visible(name)}: {visible(shard.name)}: {shard.problem}"))
