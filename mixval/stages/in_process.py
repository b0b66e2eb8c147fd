"""The stages of a run in this process, step by step: no flow and no cluster, the same artifacts and the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import failed_outcome, planned_failures
from mixval.contracts.record import ArtifactRef
from mixval.errors import reason_of
from mixval.progress import RowsShown, current, watched_by
from mixval.stages import gating
from mixval.stages.jobs import MeasureJob
from mixval.stages.memory import machine_bytes
from mixval.stages.pacing import row_passes
from mixval.stages.preparing import PreparedRun, prepare_run
from mixval.stages.routes import route_of
from mixval.stages.runs import Checked, GatedRun, ValuedRun, gated_run, measured_terms, valued_run
from mixval.stages.steps import Step, make_here
from mixval.stages.terms import StepsOf, contributor_steps


class InProcess:
    """Makes the artifacts of a whole run here, one after another (`whole_run.Maker`)."""

    def prepare(self, config: ValuationConfig) -> PreparedRun:
        """The plan, for one worker."""
        return prepare_here(config)

    def check(self, config: ValuationConfig, prepared: PreparedRun, n_missing: int) -> Checked:  # noqa: ARG002
        """Check what is planned."""
        return check_here(config, prepared)

    def measure(self, jobs: Sequence[MeasureJob], target: MeasureJob, steps_of: StepsOf = contributor_steps) -> dict[str, str]:
        """Commit what these contributors' steps make."""
        return measure_here(jobs, target, steps_of)

    def make(self, step: Step) -> ArtifactRef:
        """Make one step."""
        return make_here(step)

    def make_all(self, stage: str, steps: Sequence[Step]) -> str | None:
        """Make steps that are independent of each other."""
        for step in steps:
            try:
                make_here(step)
            except Exception as error:  # as a task of the flow fails, whatever it raises
                return reason_of(error)
            current().step(stage, step.label.removeprefix(f"{stage} "))
        return None


def prepare_here(config: ValuationConfig) -> PreparedRun:
    """The plan, for one worker with the machine's memory, unless the configuration states it. Raises as the plan does."""
    return prepare_run(config, 1, config.runtime.worker_memory_bytes or machine_bytes())


def gate_prepared(config: ValuationConfig, prepared: PreparedRun) -> GatedRun:
    """Gate what is planned. Raises NobodyAdmittedError where nobody is admitted."""
    return gated_run(config, prepared, check_here(config, prepared))


def check_here(config: ValuationConfig, prepared: PreparedRun) -> Checked:
    """Check what is planned. A contributor that cannot be checked is `failed`, with the reason; the others go on."""
    refs, found = dict[str, ArtifactRef](), planned_failures(prepared.plan)
    for name in found:
        current().step("gate", name)
    for one in prepared.plan.to_check:
        try:
            ref = gating.gate_contributor(config, one, prepared.target)
            found[one.name] = gating.read_outcome(config, ref)
            refs[one.name] = ref
        except Exception as error:  # whatever the rows of one contributor raise
            found[one.name] = failed_outcome(one.name, reason_of(error))
        current().step("gate", one.name)
    return Checked(found, refs)


def value_gated(run: GatedRun) -> ValuedRun:
    """Measure and reduce; artifacts that are committed below the output are reused.

    A contributor that fails is marked so in `outcomes`, and NobodyAdmittedError is raised where none is left.
    """
    failed = measure_here(list(run.jobs.values()), run.prepared.target_job)
    return valued_run(run, measured_terms(run, failed), failed)


def measure_here(jobs: Sequence[MeasureJob], target: MeasureJob, steps_of: StepsOf = contributor_steps) -> dict[str, str]:
    """Commit what these contributors' steps make, their terms by default. Returns by name why one could not be measured; the
    others go on."""
    shared, failed = route_of(target.ntk.method).shared_steps(target) if jobs else [], dict[str, str]()
    with watched_by(RowsShown("measure", row_passes(jobs, target))):
        for step in shared:
            make_here(step)
        for job in jobs:
            try:
                for step in steps_of(job, target, shared):
                    make_here(step)
            except Exception as error:  # whatever the rows of one contributor raise
                failed[job.contributor.name] = reason_of(error)
            current().step("measure", job.contributor.name)
    return failed
