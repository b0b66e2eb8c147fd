"""The examples without Prefect and Dask: the same library calls, in a pool of as many processes.

What `make demo` takes longer than this is what orchestration costs: the API, the cluster, task runs, artifacts.

    python -m benchmarks.plain_calls OUTPUT [NAME ...]
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.plain_stages import admitted_jobs, union_work
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.gate.verdict import ensure_somebody
from mixval.stages import coalitions, forward, frame, gating, publishing, sharing, summaries, target_gradients, terms
from mixval.stages.jobs import MeasureJob
from mixval.stages.memory import ALLOCATOR
from mixval.stages.preparing import prepare_run
from mixval.stages.reducing import reduce_terms
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
    reduced = reduce_terms(config, measure(list(jobs.values()), target, pool), outcomes, prepared.identity)
    together = None
    if (work := union_work(config, jobs, target, reduced)) is not None:
        for answered in [pool.submit(coalitions.answer, work, question) for question in coalitions.QUESTIONS]:
            answered.result()
        together = coalitions.coalition_tables(work)
    account = publishing.RunAccount(datetime.now(UTC), {}, {}, {}, [], [], refs)
    expected = read_latest(open_location(config.output))
    publishing.publish(config, prepared, list(outcomes.values()), reduced, account, expected, together)


def measure(jobs: list[MeasureJob], target: MeasureJob, pool: ProcessPoolExecutor) -> dict[str, ArtifactRef]:
    """Terms and risks from summaries, which is how the examples are measured; passes longest first, as the flow has them."""
    for shared in (forward.forward_pass, frame.make_frame):
        pool.submit(shared, target).result()
    passes: list[Future[Any]] = [pool.submit(target_gradients.make_target_gradients, target)]
    for job in sorted(jobs, key=lambda one: -one.contributor.seconds):
        passes += [pool.submit(summaries.summarise, job, target, chosen) for chosen in summaries.batches(job)]
    for done in passes:
        done.result()
    told = {job.contributor.name: pool.submit(_told, job, target) for job in jobs}
    return {name: one.result() for name, one in told.items()}


def _told(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    summaries.merged_summary(job, target)
    return terms.contributor_terms(job, target)


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
