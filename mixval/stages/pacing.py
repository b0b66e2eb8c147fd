"""Seconds of a plan: the run's own steps on a few rows of T, in this process and in memory, scaled to every contributor's rows.

A step that makes an artifact of a kind takes a + b n seconds for n row passes. Both come from two sizes, after a first trial
that only warms up: the first pass of a model costs several times the later ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mixval.config.sample import SampleConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.parts import PARTS
from mixval.contracts.plan import ContributorPlan, WorkPlan
from mixval.errors import MixvalError, NumericalError
from mixval.progress import TARGET
from mixval.stages.footprint import probe_footprint
from mixval.stages.jobs import MeasureJob
from mixval.stages.preconditioning import MOST_ROWS
from mixval.stages.preparing import PreparedRun
from mixval.stages.routes import route_of
from mixval.stages.routes.base import rows_drawn
from mixval.stages.steps import Step, make_here
from mixval.stages.terms import contributor_steps

PROBE_SECONDS = 4.0
"""Time that the larger size may take, by the footprint's guess."""
LEAST_ROWS, SMALLER = 8, 4
"""Rows of the larger size at least, and the part of them that the smaller one has."""
WARMING = "warming"
"""What a first pass takes beyond later ones: T's steps are the first in every worker."""
OF_TARGET = ("forward", "preconditioner", "shared-sketch", "target-gradients", WARMING)
"""Kinds of T's own artifacts, and the warming."""
Seconds = dict[str, tuple[float, float]]
"""Kind of artifact -> a, seconds of a step, and b, seconds of a row pass."""


def paced(config: ValuationConfig, prepared: PreparedRun) -> WorkPlan:
    """The plan with seconds from a trial of the run's steps; unchanged, with a note, where the trial fails."""
    plan, route = prepared.plan, route_of(config.ntk.method)
    try:
        with _worker_threads(config.runtime.threads_per_worker):
            found = _measured(prepared.target_job)
    except MixvalError as error:
        return plan.model_copy(
            update={
                "notes": [
                    *plan.notes,
                    f"seconds are a guess from four rows, since a trial on more failed: {str(error).rstrip('.')}",
                ]
            }
        )
    appended = rows_drawn(plan.target.n_rows, config.ntk.sample)
    contributors = [_with_seconds(one, route.row_passes(one, config.value, appended), found) for one in plan.contributors]
    target = _with_seconds(plan.target, {kind: _target_rows(kind, plan.target.n_sampled) for kind in OF_TARGET}, found)
    return plan.model_copy(update={"contributors": contributors, "target": target})


def row_passes(jobs: Sequence[MeasureJob], target: MeasureJob) -> dict[str, int]:
    """Rows that go through the backbone to measure these contributors, and T's before theirs, as planned, by name.

    A row that passes twice counts twice.
    """
    route, appended = route_of(target.ntk.method), rows_drawn(target.contributor.n_rows, target.ntk.sample)
    drawn = rows_drawn(target.contributor.n_rows, target.sample)
    found = {TARGET: sum(_target_rows(kind, drawn) * len(refs) for kind, refs in route.passes([], target).items())}
    for job in jobs:
        passes = route.row_passes(job.contributor, job.value, appended)
        found[job.contributor.name] = sum(n for kind, n in passes.items() if kind != "terms")
    return found


def _target_rows(kind: str, n_drawn: int) -> int:
    """Rows of T that an artifact of this kind passes, of those drawn."""
    return min(n_drawn, MOST_ROWS) if kind == "preconditioner" else n_drawn


def _with_seconds(one: ContributorPlan, n_by_kind: dict[str, int], found: Seconds) -> ContributorPlan:
    known = [(found[kind], n) for kind, n in n_by_kind.items() if kind in found and one.n_rows and one.problem is None]
    return one.model_copy(update={"seconds": sum(a + b * n for (a, b), n in known)})


def _measured(target: MeasureJob) -> Seconds:
    n_rows = target.contributor.n_rows
    guess = probe_footprint(target).gradient_seconds_per_row
    larger = min(n_rows, max(LEAST_ROWS, min(int(PROBE_SECONDS / guess), 2 * target.batch_rows)))
    smaller, first = _first_timed(target, max(2, larger // SMALLER))
    larger = min(n_rows, max(larger, 2 * smaller))
    # Where T has no more rows than the first trial took, its artifacts are there and only its seconds are known.
    large = _timed(target, larger) or first
    small = _timed(target, min(smaller + 1, n_rows)) or first  # one row more: no artifact is there yet
    found = {}
    for kind, (n, seconds) in large.items():
        fewer, less = small.get(kind, (n, seconds))
        a_row = max(0.0, (seconds - less) / (n - fewer)) if n > fewer else seconds / max(n, 1)
        found[kind] = (max(0.0, seconds - a_row * n), a_row)
    beyond = sum(seconds for _, seconds in first.values()) - sum(seconds for _, seconds in small.values())
    return found | {WARMING: (max(0.0, beyond), 0.0)}


def _first_timed(target: MeasureJob, n: int) -> tuple[int, dict[str, tuple[int, float]]]:
    """Rows and timings of the first trial: on n rows, or on so many times two that an estimate has enough of them.

    A share draws n rows on average, of few at times none. A larger share draws the same rows and more.
    """
    while True:
        try:
            return n, _timed(target, n)
        except NumericalError:
            if n >= target.contributor.n_rows:
                raise
            n = min(2 * n, target.contributor.n_rows)


def _timed(target: MeasureJob, n: int) -> dict[str, tuple[int, float]]:
    """Kind of artifact -> row passes and seconds of the steps on n rows of T, which also stand for a contributor."""
    share = SampleConfig(fraction=n / max(target.contributor.n_rows, 1))
    ntk = target.ntk.model_copy(update={"sample": share})
    target = target.model_copy(update={"sample": share, "ntk": ntk})
    job = target.model_copy(update={"contributor": target.contributor.model_copy(update={"name": "trial"})})
    shared = route_of(target.ntk.method).shared_steps(target)
    trial = target.contributor.model_copy(update={"n_sampled": n, "n_gradient_rows": n, "n_passes": 1})
    planned = route_of(target.ntk.method).row_passes(trial, target.value, n)
    found: dict[str, tuple[int, float]] = {}
    for step in (*shared, *contributor_steps(job, target, shared)):
        if not step.is_done:
            began = time.perf_counter()
            make_here(step)
            kind = "piece-statistics" if step.ref.kind == "statistics" else step.ref.kind
            found[kind] = (_drawn(step) or planned.get(kind, n), time.perf_counter() - began)
    return found


def _drawn(step: Step) -> int:
    """Rows that were drawn by a threshold, about as many as asked for; 0 where a step draws otherwise."""
    record = step.store.committed(step.ref)
    return sum(int(n) for part in PARTS if isinstance(n := (record.numbers if record else {}).get(f"n_{part}"), int | float))


@contextmanager
def _worker_threads(n: int) -> Iterator[None]:
    """Within this block torch has as many threads as in a worker."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
