"""A run on its way: up to its gate, and up to its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.errors import NobodyAdmittedError
from mixval.gate.verdict import ensure_somebody
from mixval.stages import sharing
from mixval.stages.jobs import MeasureJob, contributor_job
from mixval.stages.preparing import PreparedRun
from mixval.stages.reducing import Reduced, reduce_terms
from mixval.stages.routes import route_of
from mixval.stages.steps import refs_of
from mixval.stages.terms import terms_ref


@dataclass(frozen=True)
class Checked:
    """Contributors that were checked one by one, before they are compared with each other."""

    outcomes: dict[str, GateOutcome]
    """By contributor."""
    refs: dict[str, ArtifactRef]
    """By contributor, of those that could be checked."""


@dataclass(frozen=True)
class GatedRun:
    """A run up to its gate."""

    config: ValuationConfig
    prepared: PreparedRun
    outcomes: dict[str, GateOutcome]
    """By contributor, in the order of their names."""
    gate_refs: dict[str, ArtifactRef]
    """By contributor, of those that could be checked."""

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


def admitted_jobs(config: ValuationConfig, prepared: PreparedRun, outcomes: Mapping[str, GateOutcome]) -> dict[str, MeasureJob]:
    """The jobs of admitted contributors, by name."""
    plans = {one.name: one for one in prepared.plan.contributors}
    return {
        name: contributor_job(
            config, plans[name], outcome, prepared.identity, prepared.classes, prepared.target_job.target_classes
        )
        for name, outcome in outcomes.items()
        if outcome.is_in
    }


def gated_run(config: ValuationConfig, prepared: PreparedRun, checked: Checked) -> GatedRun:
    """The run whose contributors were checked one by one: now they are compared with each other.

    Raises NobodyAdmittedError where nobody is admitted.
    """
    compared = sharing.compare(config, {name: checked.outcomes[name] for name in sorted(checked.outcomes)}, checked.refs)
    ensure_somebody(list(compared.values()))
    return GatedRun(config, prepared, compared, checked.refs)


def measured_terms(run: GatedRun, failed: Mapping[str, str]) -> dict[str, ArtifactRef]:
    """The terms of all admitted contributors that did not fail, by name. Raises NobodyAdmittedError where there are none."""
    target = run.prepared.target_job
    terms = {name: terms_ref(job, target) for name, job in run.jobs.items() if name not in failed}
    if not terms:
        raise NobodyAdmittedError("no contributor could be measured:\n" + "\n".join(f"  {n}: {r}" for n, r in failed.items()))
    return terms


def valued_run(run: GatedRun, terms: dict[str, ArtifactRef], failed: Mapping[str, str]) -> ValuedRun:
    """Terms reduced to values; who failed, by name with the reason, is marked so in `outcomes`."""
    outcomes = run.outcomes | {
        name: run.outcomes[name].model_copy(update={"verdict": "failed", "reason": reason}) for name, reason in failed.items()
    }
    prepared = run.prepared
    reduced = reduce_terms(run.config, terms, outcomes, prepared.identity, prepared.classes, prepared.fitted)
    outcomes = sharing.with_near_copies(run.config, outcomes, run.gate_refs, reduced.ranking["contributor"].to_pylist())
    return ValuedRun(run.config, prepared, outcomes, run.gate_refs, terms, reduced)
