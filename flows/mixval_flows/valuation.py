"""Rank contributors by their value for the target set (arXiv 2511.13640, Algorithm 1)."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome, failed_outcome
from mixval.contracts.record import ArtifactRef
from mixval.contracts.run import RunSummary
from mixval.errors import NobodyAdmittedError, reason_of
from mixval.gate.verdict import ensure_somebody
from mixval.progress import current
from mixval.stages import gating, publishing, sharing
from mixval.stages.account import Account
from mixval.stages.coalition_value import commit_for_coalitions
from mixval.stages.coalitions import QUANTITIES, CoalitionResults, coalition_job, coalition_steps, coalition_tables
from mixval.stages.in_process import admitted_jobs
from mixval.stages.jobs import MeasureJob
from mixval.stages.pacing import row_passes
from mixval.stages.preparing import PreparedRun, prepare_run, take_prepared
from mixval.stages.reducing import Reduced, reduce_terms
from mixval.stages.routes import route_of
from mixval.stages.steps import Step
from mixval.stages.terms import contributor_steps, terms_ref
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location
from mixval_flows.announce import MeasureProgress, announce
from mixval_flows.credentials import load_credentials
from mixval_flows.row_progress import rows_shown
from mixval_flows.runner import cluster_for, default_workers, worker_memory_bytes
from mixval_tasks.base import opaque
from mixval_tasks.cluster import current_client
from mixval_tasks.gate import gate_contributor
from mixval_tasks.measure import run_step

TASKS_IN_FLIGHT = 32
"""Threads that wait for the cluster. They have no data in memory."""


WAITING: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=TASKS_IN_FLIGHT)


@flow(name="valuation", task_runner=WAITING, persist_result=False)  # type: ignore[arg-type]  # generics of Prefect
def valuation(config: ValuationConfig) -> RunSummary:
    """Rank contributors by their value for the target set."""
    load_credentials(config.source.storage)
    account = Account()
    expected = read_latest(open_location(config.output, config.source.storage))
    with cluster_for(config.runtime) as cluster:
        prepared = plan(config, account)
        if (up_to_date := publishing.up_to_date_run(config, prepared.fingerprint)) is not None:
            return up_to_date
        cluster.warm()
        outcomes = gate(config, prepared, account)
        measured = measure(config, prepared, outcomes, account)
        with account.stage("reduce", 1):
            reduced = reduce_terms(config, measured, outcomes, prepared.identity, prepared.classes, prepared.fitted)
            ranked = reduced.ranking["contributor"].to_pylist()
            outcomes = sharing.with_near_copies(config, outcomes, account.gate_refs, ranked)
        coalition_results = value_coalitions(config, prepared, outcomes, reduced, account)
    with account.stage("publish", 1):
        summary = publishing.publish(
            config, prepared, list(outcomes.values()), reduced, account.closed(), expected, coalition_results
        )
        announce(
            reduced.ranking, summary, coalition_results.coalitions if isinstance(coalition_results, CoalitionResults) else None
        )
    return summary


def plan(config: ValuationConfig, account: Account) -> PreparedRun:
    """List inputs, profile the target, probe the backbone; refuse a run that does not fit a worker's memory."""
    with account.stage("plan", 1) as end_with:
        sizes = default_workers(config.runtime), worker_memory_bytes(config.runtime)
        prepared = take_prepared(config) or prepare_run(config, *sizes)
        end_with(f"{len(prepared.plan.contributors)} contributors")
    return prepared


def gate(config: ValuationConfig, prepared: PreparedRun, account: Account) -> dict[str, GateOutcome]:
    """Check every contributor; a rejected one does not stop the others. Raises NobodyAdmittedError when none is admitted."""
    contributors = prepared.plan.contributors
    with account.stage("gate", len(contributors)) as end_with:
        if account.count("gate", [gating.gate_ref(config, one, prepared.target) for one in contributors], config):
            current_client()  # without a cluster the run fails, not each contributor
        futures = {gate_contributor.submit(opaque(config), opaque(one), prepared.target): one.name for one in contributors}
        outcomes: dict[str, GateOutcome] = {}
        for future in as_completed(list(futures)):
            name = futures[future]
            outcomes[name] = _gate_outcome(config, name, future, account)
            current().step("gate", f"{name}: {outcomes[name].verdict}")
        outcomes = sharing.compare(config, {name: outcomes[name] for name in sorted(outcomes)}, account.gate_refs)
        ensure_somebody(list(outcomes.values()))
        end_with(f"{sum(one.is_in for one in outcomes.values())} of {len(outcomes)} admitted")
    return outcomes


def measure(
    config: ValuationConfig, prepared: PreparedRun, outcomes: dict[str, GateOutcome], account: Account
) -> dict[str, ArtifactRef]:
    """Measure the terms, and the regression value where it is used, of all admitted contributors. Failed ones are marked in
    `outcomes` and do not stop the others."""
    jobs, target = list(admitted_jobs(config, prepared, outcomes).values()), prepared.target_job
    with account.stage("measure", len(jobs)) as end_with:
        for kind, refs_of_kind in route_of(config.ntk.method).passes(jobs, target).items():
            account.count(kind, refs_of_kind, config)
        refs = {job.contributor.name: terms_ref(job, target) for job in jobs}
        pending = account.count("terms", list(refs.values()), config)
        account.recomputed_contributors = sorted(name for name, ref in refs.items() if ref in pending)
        todo = [job for job in jobs if refs[job.contributor.name] in pending]
        failed = _measure_pending(todo, target)
        for name, reason in failed.items():
            outcomes[name] = outcomes[name].model_copy(update={"verdict": "failed", "reason": reason})
        end_with(f"{len(todo) - len(failed)} computed, {len(jobs) - len(todo)} reused, {len(failed)} failed")
    measured = {name: ref for name, ref in refs.items() if name not in failed}
    if not measured:
        raise NobodyAdmittedError("no contributor could be measured:\n" + "\n".join(f"  {n}: {r}" for n, r in failed.items()))
    account.artifacts = list(measured.values())
    return measured


def value_coalitions(
    config: ValuationConfig, prepared: PreparedRun, outcomes: dict[str, GateOutcome], reduced: Reduced, account: Account
) -> CoalitionResults | str | None:
    """Coalition values (Shapley values, redundancy, greedy order), where there are sufficient statistics of several
    contributors. None where there are not, or the reason of a failure."""
    jobs = admitted_jobs(config, prepared, outcomes)
    account.artifacts += commit_for_coalitions(config, jobs, prepared.target_job, reduced)
    work = coalition_job(config, jobs, prepared.target_job, reduced)
    if work is None:
        return None
    with account.stage("coalitions", len(QUANTITIES)) as end_with:
        steps = coalition_steps(work)
        account.count("coalitions", [step.ref for step in steps], config)
        futures = list(_submitted(steps, {}).values())
        for future, quantity in zip(futures, QUANTITIES, strict=True):
            future.wait()
            current().step("coalitions", quantity)
        if (reason := first_failure(futures)) is not None:  # a ranking without coalitions is better than none
            end_with("failed")
            return reason
        account.artifacts += [future.result() for future in futures]
        coalition_results = coalition_tables(work, outcomes)
        end_with(f"{coalition_results.account.n_coalitions:,} coalitions of {len(work.jobs)} contributors")
    return coalition_results


def _measure_pending(jobs: list[MeasureJob], target: MeasureJob) -> dict[str, str]:
    """Measure these contributors; the reasons of those that failed, by name."""
    if not jobs:
        return {}
    client, route = current_client(), route_of(target.ntk.method)
    shown = MeasureProgress(len(jobs))
    shared = route.shared_steps(target)
    before = _submitted(shared, {})
    last: dict[PrefectFuture[ArtifactRef], str] = {}
    waited: dict[str, list[PrefectFuture[ArtifactRef]]] = {}
    # Longest first: the last tasks to finish are then short ones, and no worker idles at the end.
    for job in sorted(jobs, key=lambda one: -one.contributor.seconds):
        own = _submitted(contributor_steps(job, target, shared), before)
        waited[job.contributor.name] = [*before.values(), *own.values()]
        last[waited[job.contributor.name][-1]] = job.contributor.name
    failed = {}
    with rows_shown(client, "measure", {job.contributor.name: row_passes(job, target) for job in jobs}):
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
    """The reason of the first failure; None when all succeeded. Waits for them."""
    for future in futures:
        future.wait()
        if not future.state.is_completed():
            return reason_of(future.state.result(raise_on_failure=False))
    return None


def _gate_outcome(config: ValuationConfig, name: str, future: PrefectFuture[ArtifactRef], account: Account) -> GateOutcome:
    if (reason := first_failure([future])) is not None:
        return failed_outcome(name, reason)
    account.gate_refs[name] = future.result()
    return gating.read_outcome(config, account.gate_refs[name])
