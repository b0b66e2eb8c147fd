"""Rank contributors by their value for the target set (arXiv 2511.13640, Algorithm 1)."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import failed_outcome, planned_failures
from mixval.contracts.record import ArtifactRef
from mixval.contracts.run import RunSummary
from mixval.errors import reason_of
from mixval.progress import current
from mixval.stages import gating
from mixval.stages.account import Account
from mixval.stages.jobs import MeasureJob
from mixval.stages.pacing import row_passes
from mixval.stages.preparing import PreparedRun, prepare_run, take_prepared
from mixval.stages.routes import route_of
from mixval.stages.runs import Checked
from mixval.stages.steps import Step
from mixval.stages.terms import StepsOf, contributor_steps
from mixval.stages.whole_run import publish_finished, run_stages
from mixval.stopping import check, uninterrupted
from mixval.storage.root import open_location
from mixval_flows.announce import ShownProgress, announce, watched
from mixval_flows.credentials import load_credentials
from mixval_flows.outcome import published
from mixval_flows.row_progress import rows_shown
from mixval_flows.runner import LazyCluster, cluster_for, default_workers, worker_memory_bytes
from mixval_tasks.base import opaque
from mixval_tasks.cluster import current_client, ensure_goes_on
from mixval_tasks.gate import gate_contributor
from mixval_tasks.measure import run_step

TASKS_IN_FLIGHT = 32
"""Threads that wait for the cluster. They have no data in memory."""


WAITING: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=TASKS_IN_FLIGHT)


@flow(name="valuation", task_runner=WAITING, persist_result=False)  # type: ignore[arg-type]  # generics of Prefect
def valuation(config: ValuationConfig) -> RunSummary:
    """Rank contributors by their value for the target set."""
    load_credentials(config.source.storage.credentials_block)
    account = Account()
    with watched(valuation.name, open_location(config.output, config.source.storage), config.runtime.telling):
        with cluster_for(config.runtime) as cluster:
            run = run_stages(config, OnCluster(cluster), account)
        if isinstance(run, RunSummary):
            return run
        check()
        with uninterrupted():
            summary = publish_finished(run, account)
            published(valuation.name, summary)
    announce(run.valued.reduced.ranking, summary, run.coalition_table)
    return summary


class OnCluster:
    """Makes the artifacts of a run as Prefect tasks, whose work is done on the cluster (`whole_run.Maker`)."""

    def __init__(self, cluster: LazyCluster) -> None:
        """The cluster is started once the plan is made."""
        self._cluster = cluster

    def prepare(self, config: ValuationConfig) -> PreparedRun:
        """List inputs, profile the target, probe the backbone; refuse a run that does not fit a worker's memory."""
        sizes = default_workers(config.runtime), worker_memory_bytes(config.runtime)
        return take_prepared(config) or prepare_run(config, *sizes)

    def check(self, config: ValuationConfig, prepared: PreparedRun, n_missing: int) -> Checked:
        """One task a contributor."""
        self._cluster.warm()
        if n_missing:
            current_client()  # without a cluster the run fails, not each contributor
        tasks = {
            gate_contributor.submit(opaque(config), opaque(one), prepared.target): one.name for one in prepared.plan.to_check
        }
        outcomes, refs = planned_failures(prepared.plan), dict[str, ArtifactRef]()
        for name in outcomes:
            current().step("gate", f"{name}: failed")
        for future in as_completed(list(tasks)):
            name = tasks[future]
            if (reason := first_failure([future])) is None:
                refs[name] = future.result()
                outcomes[name] = gating.read_outcome(config, refs[name])
            else:
                outcomes[name] = failed_outcome(name, reason)
            current().step("gate", f"{name}: {outcomes[name].verdict}")
        return Checked(outcomes, refs)

    def measure(self, jobs: Sequence[MeasureJob], target: MeasureJob, steps_of: StepsOf = contributor_steps) -> dict[str, str]:
        """One task a step, longest contributors first."""
        return _measure(jobs, target, steps_of) if jobs else {}

    def make(self, step: Step) -> ArtifactRef:
        """One task."""
        return step.ref if step.is_done else run_step.submit(step=opaque(step), return_state=False).result()

    def make_all(self, stage: str, steps: Sequence[Step]) -> str | None:
        """One task a step."""
        futures = _submitted(steps, {})
        labels = {futures[step.ref]: step.label.removeprefix(f"{stage} ") for step in steps}
        for future in as_completed(list(labels)):  # in the order in which they end, so that progress is shown as it is made
            current().step(stage, labels[future])
        return first_failure(list(futures.values()))


def _measure(jobs: Sequence[MeasureJob], target: MeasureJob, steps_of: StepsOf) -> dict[str, str]:
    """Measure these contributors; the reasons of those that failed, by name."""
    client, route = current_client(), route_of(target.ntk.method)
    shown = ShownProgress("mixval-measure", "contributors measured", len(jobs))
    shared = route.shared_steps(target)
    before = _submitted(shared, {})
    last: dict[PrefectFuture[ArtifactRef], str] = {}
    waited: dict[str, list[PrefectFuture[ArtifactRef]]] = {}
    # Longest first: the last tasks to finish are then short ones, and no worker idles at the end.
    for job in sorted(jobs, key=lambda one: -one.contributor.seconds):
        own = _submitted(steps_of(job, target, shared), before)
        waited[job.contributor.name] = [*before.values(), *own.values()]
        last[waited[job.contributor.name][-1]] = job.contributor.name
    failed = {}
    with rows_shown(client, "measure", row_passes(jobs, target)):
        for future in as_completed(list(last)):
            name = last[future]
            if (reason := first_failure(waited[name])) is not None:
                failed[name] = reason
            current().step("measure", f"{name}: failed" if reason else name)
            shown.step()
    return failed


def _submitted(
    steps: Sequence[Step], before: Mapping[ArtifactRef, PrefectFuture[ArtifactRef]]
) -> dict[ArtifactRef, PrefectFuture[ArtifactRef]]:
    """One future per step, in order, by the artifact it makes. A step may wait for earlier ones, and for those in `before`."""
    futures: dict[ArtifactRef, PrefectFuture[ArtifactRef]] = {}
    for step in steps:
        waits = [(futures.get(one.ref) or before[one.ref]) for one in step.after]
        futures[step.ref] = run_step.submit(step=opaque(step), return_state=False, wait_for=waits)
    return futures


def first_failure(futures: list[PrefectFuture[ArtifactRef]]) -> str | None:
    """The reason of the first failure; None when all succeeded. Waits for them.

    Raises what ends the run itself: all workers are lost, or the process was told to stop. Then nobody's data is to blame.
    """
    for future in futures:
        future.wait()
        if not future.state.is_completed():
            ensure_goes_on()
            return reason_of(future.state.result(raise_on_failure=False))
    return None
