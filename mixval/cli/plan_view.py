"""A plan as a table, and as a document."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.contracts.plan import ContributorPlan
from mixval.publish.names import shortened, visible
from mixval.publish.terminal import GAP, NAME_LIMIT
from mixval.stages.preparing import PreparedRun

MIB = 2**20
TITLE, CONTRIBUTOR = "What a run would do", "contributor"


def plan_document(prepared: PreparedRun) -> dict[str, Any]:
    """The plan as JSON-able values, with the run's fingerprint."""
    names = list(prepared.target_job.target_classes.names) or None
    own = {"fingerprint": prepared.fingerprint, "classes": prepared.classes, "class_names": names}
    warnings = [one.model_dump(mode="json") for one in prepared.warnings]
    return own | {"warnings": warnings} | prepared.plan.model_dump(mode="json")


def print_plan(prepared: PreparedRun, console: Console | None = None) -> None:
    """The plan on a terminal: rows, gradients, passes, memory and time per contributor."""
    plan, console = prepared.plan, console or Console()
    print_contributors([*plan.contributors, plan.target], console)
    gib = plan.worker_memory_bytes / 2**30
    console.print(f"{plan.n_parameters:,} parameters in the NTK. {plan.workers} worker(s) with {gib:.1f} GiB each:")
    console.print(f"about {plan.measure_seconds:.0f} s to measure, without start-up, gate, coalitions and report.")
    for one_warning in prepared.warnings:
        console.print(escape(f"{one_warning.severity.capitalize()}: {visible(one_warning.words)}"))
    for note in plan.notes:
        console.print(f"Note: {note}.")
    problems = [(one.name, shard) for one in plan.contributors for shard in one.shards if shard.problem]
    for name, shard in problems:
        console.print(escape(f"The gate will reject {visible(name)}: {visible(shard.name)}: {visible(str(shard.problem))}"))
    for one in plan.contributors:
        if one.problem is not None:
            console.print(escape(f"{visible(one.name)} will fail: {visible(one.problem)}"))


def print_contributors(planned: list[ContributorPlan], console: Console) -> None:
    """A table, or a paragraph a contributor where the terminal is too narrow for it; no name and no heading is cut."""
    names = [escape(shortened(visible(one.name), NAME_LIMIT)) for one in planned]
    lines = [_numbers(one) for one in planned]
    widths = [max(len(part) for part in (*heading.split(), *(line[heading] for line in lines))) for heading in lines[0]]
    if console.width < sum(width + GAP for width in widths) + len(CONTRIBUTOR) + GAP:
        console.print(f"[bold]{TITLE}[/bold]")
        for name, line in zip(names, lines, strict=True):
            console.print(f"{name}: {', '.join(f'{heading} {number}' for heading, number in line.items())}")
        return
    table = Table(
        title=TITLE, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim"
    )
    table.add_column(CONTRIBUTOR, overflow="fold", min_width=len(CONTRIBUTOR))
    for heading, width in zip(lines[0], widths, strict=True):
        table.add_column(heading.replace(" ", "\n"), justify="right", no_wrap=True, min_width=width)
    for name, line in zip(names, lines, strict=True):
        table.add_row(name, *line.values())
    console.print(table)


def _numbers(one: ContributorPlan) -> dict[str, str]:
    """Heading -> number."""
    counts = {
        "shards": len(one.shards),
        "rows": one.n_rows,
        "rows read": one.n_sampled,
        "gradients": one.n_gradient_rows,
        "passes": one.n_passes,
        "task MiB": one.task_bytes // MIB,
    }
    return {heading: f"{number:,}" for heading, number in counts.items()} | {"seconds": f"{one.seconds:.1f}"}
