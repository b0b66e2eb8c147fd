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
from pathlib import Path
from typing import Any

from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.stages import gating
from mixval.stages.account import Account
from mixval.stages.jobs import MeasureJob
from mixval.stages.memory import ALLOCATOR
from mixval.stages.preparing import PreparedRun, prepare_run
from mixval.stages.routes import route_of
from mixval.stages.runs import Checked
from mixval.stages.steps import Step, refs_of
from mixval.stages.terms import StepsOf, contributor_steps
from mixval.stages.whole_run import FinishedRun, publish_finished, run_stages

EXAMPLES = Path(__file__).parents[1] / "examples"
WORKERS = 2


class InPool:
    """Makes the artifacts of a run in a pool of processes (`mixval/stages/whole_run.py`)."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def prepare(self, config: ValuationConfig) -> PreparedRun:
        """The plan, for the processes of the pool."""
        return prepare_run(config, WORKERS, 8 * 2**30)

    def check(self, config: ValuationConfig, prepared: PreparedRun, n_missing: int) -> Checked:  # noqa: ARG002
        """One call a contributor."""
        contributors = prepared.plan.contributors
        checks = {one.name: self._pool.submit(gating.gate_contributor, config, one, prepared.target) for one in contributors}
        refs = {name: check.result() for name, check in checks.items()}
        return Checked({name: gating.read_outcome(config, ref) for name, ref in refs.items()}, refs)

    def measure(self, jobs: Sequence[MeasureJob], target: MeasureJob, steps_of: StepsOf = contributor_steps) -> dict[str, str]:
        """Terms and values; passes longest first, as the flow has them."""
        shared = route_of(target.ntk.method).shared_steps(target)
        longest_first = sorted(jobs, key=lambda one: -one.contributor.seconds)
        own = [step for job in longest_first for step in steps_of(job, target, shared)]
        make([*shared, *own], self._pool)
        return {}

    def make(self, step: Step) -> ArtifactRef:
        """By itself."""
        make([step], self._pool)
        return step.ref

    def make_all(self, stage: str, steps: Sequence[Step]) -> str | None:  # noqa: ARG002
        """Side by side."""
        make(steps, self._pool)
        return None


def run(config: ValuationConfig, pool: ProcessPoolExecutor) -> None:
    """Plan, gate, measure, reduce and publish one configuration."""
    account = Account()
    finished = run_stages(config, InPool(pool), account)
    if isinstance(finished, FinishedRun):
        publish_finished(finished, account)


def make(steps: Sequence[Step], pool: ProcessPoolExecutor) -> None:
    """Make what these steps make: side by side all that waits for none of the others, then what waited for those."""
    refs = {step.ref for step in steps}
    ready = [step for step in steps if not refs & {*refs_of(step.after)}]
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
