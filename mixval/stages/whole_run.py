"""A whole run in this process, from its plan to what it publishes: the flow's steps without a flow, an API or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mixval.config.valuation import ValuationConfig
from mixval.contracts.run import RunSummary
from mixval.errors import ConfigError, reason_of
from mixval.stages import publishing
from mixval.stages.account import Account
from mixval.stages.coalition_value import commit_for_coalitions
from mixval.stages.coalitions import QUANTITIES, CoalitionResults, coalition_job, coalition_steps, coalition_tables
from mixval.stages.gating import gate_ref
from mixval.stages.in_process import GatedRun, ValuedRun, gate_prepared, prepare_here, value_gated
from mixval.stages.routes import route_of
from mixval.stages.steps import make_here
from mixval.stages.terms import terms_ref
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location


def run_here(config: ValuationConfig) -> RunSummary:
    """The summary of a run in this process; committed artifacts are reused, and a run of the same inputs is returned as it is.

    torch computes with `runtime.threads_per_worker` threads, as a worker of the cluster does, so that both round alike. Raises
    as the flow does.
    """
    if config.source.storage.credentials_block is not None:
        raise ConfigError(
            "source.storage.credentials_block: expected credentials in the environment, found a Prefect block, which needs "
            "Prefect's API. Leave it out and set e.g. AWS_ACCESS_KEY_ID, or run on the cluster."
        )
    account, expected = Account(), read_latest(open_location(config.output, config.source.storage))
    with _threads(config.runtime.threads_per_worker):
        with account.stage("plan", 1) as end_with:
            prepared = prepare_here(config)
            end_with(f"{len(prepared.plan.contributors)} contributors")
        if (up_to_date := publishing.up_to_date_run(config, prepared.fingerprint)) is not None:
            return up_to_date
        with account.stage("gate", len(prepared.plan.contributors)) as end_with:
            refs = [gate_ref(config, one, prepared.target) for one in prepared.plan.contributors]
            account.count("gate", refs, config)
            gated = gate_prepared(config, prepared)
            end_with(f"{len(gated.jobs)} of {len(gated.outcomes)} admitted")
        valued = _measured(config, gated, account)
        coalition_results = _coalitions(config, valued, account)
    with account.stage("publish", 1):
        return publishing.publish(
            config, prepared, list(valued.outcomes.values()), valued.reduced, account.closed(), expected, coalition_results
        )


def _measured(config: ValuationConfig, gated: GatedRun, account: Account) -> ValuedRun:
    account.gate_refs = dict(gated.gate_refs)
    jobs, target = gated.jobs, gated.prepared.target_job
    with account.stage("measure", len(jobs)) as end_with:
        for kind, refs in route_of(config.ntk.method).passes(list(jobs.values()), target).items():
            account.count(kind, refs, config)
        of_terms = {name: terms_ref(job, target) for name, job in jobs.items()}
        pending = account.count("terms", list(of_terms.values()), config)
        account.recomputed_contributors = sorted(name for name, ref in of_terms.items() if ref in pending)
        valued = value_gated(gated)
        account.artifacts = list(valued.terms.values())
        end_with(f"{len(pending)} computed, {len(jobs) - len(valued.terms)} failed")
    return valued


def _coalitions(config: ValuationConfig, valued: ValuedRun, account: Account) -> CoalitionResults | str | None:
    jobs, target = {name: job for name, job in valued.jobs.items() if name in valued.terms}, valued.prepared.target_job
    account.artifacts += commit_for_coalitions(config, jobs, target, valued.reduced)
    work = coalition_job(config, jobs, target, valued.reduced)
    if work is None:
        return None
    with account.stage("coalitions", len(QUANTITIES)) as end_with:
        steps = coalition_steps(work)
        account.count("coalitions", [step.ref for step in steps], config)
        try:
            account.artifacts += [make_here(step) for step in steps]
        except Exception as error:  # a ranking without coalitions is better than none
            end_with("failed")
            return reason_of(error)
        found = coalition_tables(work, valued.outcomes)
        end_with(f"{found.account.n_coalitions:,} coalitions of {len(work.jobs)} contributors")
    return found


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """torch computes with so many threads inside the block, and as before after it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
