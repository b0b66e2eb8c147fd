"""The examples without Prefect and Dask: the same library calls, in a pool of as many processes.

What `make demo` takes longer than this is what orchestration costs: the API, the cluster, task runs, artifacts.

    python -m benchmarks.plain_calls OUTPUT [NAME ...]
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.gate.verdict import ensure_somebody
from mixval.stages import gating, publishing, sharing
from mixval.stages.coalitions import coalition_job, coalition_steps, coalition_tables
from mixval.stages.in_process import admitted_jobs
from mixval.stages.jobs import MeasureJob
from mixval.stages.memory import ALLOCATOR
from mixval.stages.preparing import prepare_run
from mixval.stages.reducing import reduce_terms
from mixval.stages.routes import route_of
from mixval.stages.steps import Step
from mixval.stages.terms import contributor_steps
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location

EXAMPLES = Path(__file__).parents[1] / "examples"
WORKERS = 2


def run(config: ValuationConfig, pool: ProcessPoolExecutor) -> None:
    """Plan, gate, measure, reduce and publish one configuration."""
    prepared = prepare_run(config, WORKERS, 8 * 2**30)
    contributors = prepared.plan.contributors
    checks = {one.name: pool.submit(gating.gate_contributor, config, one, prepared.target) for one in contributors}
    refs = {name: check.result() for name, check in checks.items()}
    outcomes = {name: gating.read_outcome(config, ref) for name, ref in sorted(refs.items())}
    outcomes = sharing.compare(config, outcomes, refs)
    ensure_somebody(list(outcomes.values()))
    jobs, target = admitted_jobs(config, prepared, outcomes), prepared.target_job
    reduced = reduce_terms(config, measure(list(jobs.values()), target, pool), outcomes, prepared.identity, prepared.classes)
    outcomes = sharing.with_near_copies(config, outcomes, refs, reduced.ranking["contributor"].to_pylist())
    coalition_results = None
    if (work := coalition_job(config, jobs, target, reduced)) is not None:
        make(coalition_steps(work), pool)
        coalition_results = coalition_tables(work, outcomes)
    account = publishing.RunAccount(datetime.now(UTC), {}, {}, {}, [], [], refs)
    expected = read_latest(open_location(config.output))
    publishing.publish(config, prepared, list(outcomes.values()), reduced, account, expected, coalition_results)


def measure(jobs: list[MeasureJob], target: MeasureJob, pool: ProcessPoolExecutor) -> dict[str, ArtifactRef]:
    """Terms and values; passes longest first, as the flow has them."""
    shared = route_of(target.ntk.method).shared_steps(target)
    longest_first = sorted(jobs, key=lambda one: -one.contributor.seconds)
    steps = {job.contributor.name: contributor_steps(job, target, shared) for job in longest_first}
    make([*shared, *(step for own in steps.values() for step in own)], pool)
    return {name: own[-1].ref for name, own in steps.items()}


def make(steps: Sequence[Step], pool: ProcessPoolExecutor) -> None:
    """Make what these steps make: side by side all that waits for none of the others, then what waited for those."""
    refs = {step.ref for step in steps}
    ready = [step for step in steps if not refs & {*step.after}]
    works = [step.work() for step in ready if not step.is_done]
    pieces: list[Future[Any]] = [
        pool.submit(work.piece, *one) for work in works if work.piece is not None for one in work.pieces
    ]
    for piece in pieces:
        piece.result()
    for done in [pool.submit(work.call, *work.arguments) for work in works]:
        done.result()
    if left := [step for step in steps if step not in ready]:
        make(left, pool)


def main(output: str, names: list[str]) -> None:
    """Value the named examples, all by default, below `output`."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} | ALLOCATOR
    began = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        for name in names or ["images", "reviews", "answers"]:
            config = load_config(EXAMPLES / name / "config.yaml")
            run(config.model_copy(update={"output": str(Path(output).resolve() / name)}), pool)
            print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
