"""A run up to its values in this process, step by step: no flow and no cluster, the same artifacts and the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome, failed_outcome
from mixval.contracts.record import ArtifactRef
from mixval.errors import NobodyAdmittedError, reason_of
from mixval.gate.verdict import ensure_somebody
from mixval.progress import current
from mixval.stages import gating, sharing
from mixval.stages.jobs import MeasureJob, contributor_job
from mixval.stages.preparing import PreparedRun, prepare_run
from mixval.stages.reducing import Reduced, reduce_terms
from mixval.stages.routes import route_of
from mixval.stages.steps import make_here, refs_of
from mixval.stages.terms import contributor_steps, terms_ref

WORKER_BYTES = 8 * 2**30
"""Memory that the plan assumes for this process, unless the configuration sets it."""


@dataclass(frozen=True)
class GatedRun:
    """A run up to its gate."""

    config: ValuationConfig
    prepared: PreparedRun
    outcomes: dict[str, GateOutcome]
    """By contributor, in the order of their names."""
    gate_refs: dict[str, ArtifactRef]

    @property
    def jobs(self) -> dict[str, MeasureJob]:
        """The jobs of admitted contributors, by name."""
        return admitted_jobs(self.config, self.prepared, self.outcomes)


@dataclass(frozen=True)
class ValuedRun(GatedRun):
    """A run up to its values. A contributor that could not be measured is `failed` in `outcomes`, with the reason."""

    terms: dict[str, ArtifactRef]
    """Of the measured, by name."""
    reduced: Reduced

    @property
    def values(self) -> dict[str, float]:
        """The `value` column of the ranking, by contributor: of those that were admitted and measured."""
        ranking = self.reduced.ranking
        return dict(zip(ranking["contributor"].to_pylist(), ranking["value"].to_pylist(), strict=True))

    def artifacts(self) -> list[ArtifactRef]:
        """Artifacts behind the values: passes, what contributors share, terms."""
        target, route = self.prepared.target_job, route_of(self.config.ntk.method)
        measured = [job for name, job in self.jobs.items() if name in self.terms]
        passes = [ref for refs in route.passes(measured, target).values() for ref in refs]
        return list(dict.fromkeys([*passes, *refs_of(route.shared_steps(target)), *self.terms.values()]))


def prepare_here(config: ValuationConfig) -> PreparedRun:
    """The plan, for one worker. Raises as the plan does."""
    return prepare_run(config, 1, config.runtime.worker_memory_bytes or WORKER_BYTES)


def gate_prepared(config: ValuationConfig, prepared: PreparedRun) -> GatedRun:
    """Gate what is planned. A contributor that cannot be checked is `failed`, with the reason; the others go on.

    Raises NobodyAdmittedError where nobody is admitted.
    """
    refs, found = dict[str, ArtifactRef](), dict[str, GateOutcome]()
    for one in prepared.plan.contributors:
        try:
            ref = gating.gate_contributor(config, one, prepared.target)
            found[one.name] = gating.read_outcome(config, ref)
            refs[one.name] = ref
        except Exception as error:  # whatever the rows of one contributor raise
            found[one.name] = failed_outcome(one.name, reason_of(error))
        current().step("gate", one.name)
    outcomes = {name: found[name] for name in sorted(found)}
    outcomes = sharing.compare(config, outcomes, refs)
    ensure_somebody(list(outcomes.values()))
    return GatedRun(config, prepared, outcomes, refs)


def value_gated(run: GatedRun) -> ValuedRun:
    """Measure and reduce; artifacts that are committed below the output are reused.

    A contributor that fails is marked so in `outcomes`, and NobodyAdmittedError is raised where none is left.
    """
    jobs, target = run.jobs, run.prepared.target_job
    failed = measure_here(list(jobs.values()), target)
    outcomes = run.outcomes | {
        name: run.outcomes[name].model_copy(update={"verdict": "failed", "reason": reason}) for name, reason in failed.items()
    }
    terms = {name: terms_ref(job, target) for name, job in jobs.items() if name not in failed}
    if not terms:
        raise NobodyAdmittedError("no contributor could be measured:\n" + "\n".join(f"  {n}: {r}" for n, r in failed.items()))
    reduced = reduce_terms(run.config, terms, outcomes, run.prepared.identity, run.prepared.classes, run.prepared.fitted)
    outcomes = sharing.with_near_copies(run.config, outcomes, run.gate_refs, reduced.ranking["contributor"].to_pylist())
    return ValuedRun(run.config, run.prepared, outcomes, run.gate_refs, terms, reduced)


def admitted_jobs(config: ValuationConfig, prepared: PreparedRun, outcomes: dict[str, GateOutcome]) -> dict[str, MeasureJob]:
    """The jobs of admitted contributors, by name."""
    plans = {one.name: one for one in prepared.plan.contributors}
    return {
        name: contributor_job(
            config, plans[name], outcome, prepared.identity, prepared.classes, prepared.target_job.target_classes
        )
        for name, outcome in outcomes.items()
        if outcome.is_in
    }


def measure_here(jobs: Sequence[MeasureJob], target: MeasureJob) -> dict[str, str]:
    """Commit these contributors' terms. Returns by name why a contributor could not be measured; the others go on."""
    shared, failed = route_of(target.ntk.method).shared_steps(target), dict[str, str]()
    for step in shared:
        make_here(step)
    for job in jobs:
        try:
            for step in contributor_steps(job, target, shared):
                make_here(step)
        except Exception as error:  # whatever the rows of one contributor raise
            failed[job.contributor.name] = reason_of(error)
        current().step("measure", job.contributor.name)
    return failed
