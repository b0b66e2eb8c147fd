"""A whole run, from its plan to what it publishes: which stages there are, and what each of them counts and says.

The artifacts are made by a `Maker`: by this process (`in_process.py`), or by a flow on its cluster
(`flows/mixval_flows/valuation.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.contracts.run import RunSummary
from mixval.errors import ConfigError, MixvalError, reason_of
from mixval.publish.names import listed
from mixval.stages import publishing
from mixval.stages.account import Account
from mixval.stages.coalition_value import commit_for_coalitions
from mixval.stages.coalitions import QUANTITIES, CoalitionResults, coalition_job, coalition_steps, coalition_tables
from mixval.stages.corpus.of_run import (
    ContributorTokens,
    contributor_step,
    contributor_tokens,
    corpora_table,
    target_step,
    target_tokens,
    token_truncations,
)
from mixval.stages.gating import gate_ref
from mixval.stages.group_table import group_table
from mixval.stages.groups import group_step, grouped_jobs, names_step, read_names
from mixval.stages.in_process import InProcess
from mixval.stages.jobs import MeasureJob
from mixval.stages.mixture_tables import MixtureResults, mixture_tables
from mixval.stages.mixtures import has_mixtures, mixture_jobs, mixture_step
from mixval.stages.preparing import PreparedRun
from mixval.stages.routes import route_of
from mixval.stages.runs import Checked, GatedRun, ValuedRun, gated_run, measured_terms, valued_run
from mixval.stages.steps import Step, refs_of
from mixval.stages.terms import StepsOf, contributor_steps, terms_ref
from mixval.stages.truncations import clusters_step, truncation_jobs, truncation_step, truncation_table
from mixval.storage.pointer import Latest, standing_latest
from mixval.storage.root import open_location
from mixval.telemetry.observing import observed


class Maker(Protocol):
    """Makes the artifacts of a run; those that are committed already are reused."""

    def prepare(self, config: ValuationConfig) -> PreparedRun:
        """The plan. Raises where the target, the model or the configuration is wrong, or a task does not fit a worker."""

    def check(self, config: ValuationConfig, prepared: PreparedRun, n_missing: int) -> Checked:
        """Check every contributor, `n_missing` of them not checked before; a rejected one does not stop the others."""

    def measure(self, jobs: Sequence[MeasureJob], target: MeasureJob, steps_of: StepsOf = contributor_steps) -> dict[str, str]:
        """Commit what these contributors' steps make, their terms by default.

        Returns by name why one could not be measured; the others go on.
        """

    def make(self, step: Step) -> ArtifactRef:
        """Make one step, unless its artifact is there. Raises as it does."""

    def make_all(self, stage: str, steps: Sequence[Step]) -> str | None:
        """Make steps of a stage, which are independent of each other. Returns the reason of the first failure, or None."""


@dataclass(frozen=True)
class FinishedRun:
    """A run that has everything but its folder."""

    valued: ValuedRun
    coalitions: CoalitionResults | str | None
    """Coalition values; None where there are no sums of several contributors, the reason where they failed."""
    mixtures: MixtureResults | str | None
    """Values of parts and of mixtures, likewise."""
    groups: pa.Table | str | None
    """Schema `GROUPS`; None where rows are not grouped, likewise."""
    corpora: pa.Table | str | None
    """Schema `CORPORA`; None where tokens are not counted, likewise."""
    truncation: pa.Table | str | None
    """Schema `TRUNCATION`; None where nobody has synthetic rows or no counts are kept, likewise."""
    expected: Latest | None
    """What `latest.json` named when the run began."""

    @property
    def coalition_table(self) -> pa.Table | None:
        """Schema `COALITIONS`; None where there are no coalition values."""
        return self.coalitions.coalitions if isinstance(self.coalitions, CoalitionResults) else None


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
    account = Account()
    with observed("valuation", open_location(config.output, config.source.storage), config.runtime.telling):
        with _threads(config.runtime.threads_per_worker):
            run = run_stages(config, InProcess(), account)
        return run if isinstance(run, RunSummary) else publish_finished(run, account)


def run_stages(config: ValuationConfig, maker: Maker, account: Account) -> FinishedRun | RunSummary:
    """Plan, gate, measure, reduce and value coalitions; or the summary of the latest run, where it is up to date."""
    expected = standing_latest(open_location(config.output, config.source.storage))
    with account.stage("plan", 1) as end_with:
        prepared = maker.prepare(config)
        end_with(f"{len(prepared.plan.contributors)} contributors")
    if (up_to_date := publishing.up_to_date_run(config, prepared.fingerprint)) is not None:
        return up_to_date
    gated = _gated(config, prepared, maker, account)
    valued = _valued(gated, maker, account)
    coalitions, mixtures = _coalitions(valued, maker, account), _mixtures(valued, maker, account)
    groups, counted = _groups(valued, maker, account), _corpora(valued, maker, account)
    tokens = counted if isinstance(counted, list) else []
    corpora = corpora_table(tokens) if isinstance(counted, list) else counted
    return FinishedRun(valued, coalitions, mixtures, groups, corpora, _truncation(valued, tokens, maker, account), expected)


def publish_finished(run: FinishedRun, account: Account) -> RunSummary:
    """Write the run's folder and swap `latest.json`. Raises ConflictError where another run was published since it began."""
    valued = run.valued
    with account.stage("publish", 1):
        return publishing.publish(
            valued.config,
            valued.prepared,
            list(valued.outcomes.values()),
            valued.reduced,
            account.closed(),
            run.expected,
            run.coalitions,
            run.mixtures,
            run.groups,
            run.corpora,
            run.truncation,
        )


def _gated(config: ValuationConfig, prepared: PreparedRun, maker: Maker, account: Account) -> GatedRun:
    contributors = prepared.plan.contributors
    with account.stage("gate", len(contributors)) as end_with:
        missing = account.count("gate", [gate_ref(config, one, prepared.target) for one in prepared.plan.to_check], config)
        gated = gated_run(config, prepared, maker.check(config, prepared, len(missing)))
        account.gate_refs = dict(gated.gate_refs)
        end_with(f"{sum(one.is_in for one in gated.outcomes.values())} of {len(gated.outcomes)} admitted")
    return gated


def _valued(gated: GatedRun, maker: Maker, account: Account) -> ValuedRun:
    config, jobs, target = gated.config, gated.jobs, gated.prepared.target_job
    with account.stage("measure", len(jobs)) as end_with:
        for kind, refs in route_of(config.ntk.method).passes(list(jobs.values()), target).items():
            account.count(kind, refs, config)
        of_terms = {name: terms_ref(job, target) for name, job in jobs.items()}
        missing = account.count("terms", list(of_terms.values()), config)
        account.recomputed_contributors = sorted(name for name, ref in of_terms.items() if ref in missing)
        kept = {name: route_of(config.ntk.method).kept(job, target) for name, job in jobs.items()}
        lost = account.missing("statistics", [ref for refs in kept.values() for ref in refs], config)
        todo = [job for name, job in jobs.items() if of_terms[name] in missing or lost.intersection(kept[name])]
        failed = maker.measure(todo, target)
        end_with(f"{len(todo) - len(failed)} computed, {len(jobs) - len(todo)} reused, {len(failed)} failed")
    account.artifacts = list((terms := measured_terms(gated, failed)).values())
    with account.stage("reduce", 1):
        return valued_run(gated, terms, failed)


def _coalitions(run: ValuedRun, maker: Maker, account: Account) -> CoalitionResults | str | None:
    """Coalition values: Shapley values, redundancy, greedy order."""
    config, jobs, target = run.config, run.jobs, run.prepared.target_job
    account.artifacts += commit_for_coalitions(config, jobs, target, run.reduced)
    work = coalition_job(config, jobs, target, run.reduced)
    if work is None:
        return None
    with account.stage("coalitions", len(QUANTITIES)) as end_with:
        steps = coalition_steps(work)
        account.count("coalitions", list(refs_of(steps)), config)
        if (reason := maker.make_all("coalitions", steps)) is not None:  # a ranking without coalitions is better than none
            end_with("failed")
            return reason
        account.artifacts += refs_of(steps)
        found = coalition_tables(work, run.outcomes)
        end_with(f"{found.account.n_coalitions:,} coalitions of {len(work.jobs)} contributors")
    return found


def _mixtures(run: ValuedRun, maker: Maker, account: Account) -> MixtureResults | str | None:
    """Values of each ranked contributor's parts, and of mixtures of them by weight."""
    config, ranked = run.config, run.reduced.ranking["contributor"].to_pylist()
    if not has_mixtures(config) or not ranked:
        return None
    works = mixture_jobs({name: run.jobs[name] for name in ranked}, run.prepared.target_job)
    with account.stage("mixtures", len(works)) as end_with:
        steps = [mixture_step(work) for work in works]
        account.count("mixture", list(refs_of(steps)), config)
        if (reason := maker.make_all("mixtures", steps)) is not None:  # nor is the ranking lost for them
            end_with("failed")
            return reason
        account.artifacts += refs_of(steps)
        end_with(f"parts of {len(works)} weighed")
        return mixture_tables(config, works, run.terms, run.reduced.ranking)


def _groups(run: ValuedRun, maker: Maker, account: Account) -> pa.Table | str | None:
    """Values of groups of each ranked contributor's rows, and of all of theirs."""
    config, ranked, target = run.config, run.reduced.ranking["contributor"].to_pylist(), run.prepared.target_job
    if not config.value.groups or not ranked:
        return None
    jobs = {name: run.jobs[name] for name in sorted(ranked)}
    with account.stage("groups", 1 + len(jobs)) as end_with:
        if (reason := maker.make_all("groups", [names_step(list(jobs.values()), target)])) is not None:
            end_with("failed")
            return reason
        works = grouped_jobs(jobs, target)
        steps = [group_step(work) for work in works]
        account.count("group-values", list(refs_of(steps)), config)
        if (reason := maker.make_all("groups", steps)) is not None:
            end_with("failed")
            return reason
        account.artifacts += refs_of(steps)
        end_with(f"by {listed(config.value.groups)}")
        return group_table(config, works, read_names(jobs, target), run.terms, run.reduced.ranking)


def _corpora(run: ValuedRun, maker: Maker, account: Account) -> list[ContributorTokens] | str | None:
    """Each ranked contributor whose tokens were counted and compared with T's."""
    config, ranked = run.config, run.reduced.ranking["contributor"].to_pylist()
    if not config.value.corpus or not ranked:
        return None
    with account.stage("corpus", 1 + len(ranked)) as end_with:
        try:
            aim = target_tokens(config, run.prepared.target_job)
        except MixvalError as error:  # a tokenizer that cannot be sent to workers, which the ranking did not need
            end_with("failed")
            return reason_of(error)
        first, works = target_step(aim), [contributor_tokens(aim, run.jobs[name]) for name in ranked]
        steps = [contributor_step(work, first) for work in works]
        account.count("corpus", list(refs_of(steps)), config)
        for stage in ([first], steps):
            if (reason := maker.make_all("corpus", stage)) is not None:
                end_with("failed")
                return reason
        account.artifacts += refs_of(steps)
        end_with(f"tokens of {len(works)} counted")
        return works


def _truncation(run: ValuedRun, tokens: Sequence[ContributorTokens], maker: Maker, account: Account) -> pa.Table | str | None:
    """Where each ranked contributor's synthetic rows stop, `tokens` being those whose tokens were counted."""
    config, target = run.config, run.prepared.target_job
    ranked = {name: run.jobs[name] for name in run.reduced.ranking["contributor"].to_pylist()}
    works, of_tokens = truncation_jobs(config, ranked, target), token_truncations(tokens)
    if not works and not any(of_tokens.values()):
        return None
    with account.stage("truncation", len(works)) as end_with:
        steps = [truncation_step(work) for work in works]
        account.count("truncation", list(refs_of(steps)), config)
        for stage in ([clusters_step(target)], steps) if works else ():
            if (reason := maker.make_all("truncation", stage)) is not None:
                end_with("failed")
                return reason
        account.artifacts += refs_of(steps)
        end_with(f"synthetic rows of {len(works)} looked at")
        return truncation_table(works, of_tokens)


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
