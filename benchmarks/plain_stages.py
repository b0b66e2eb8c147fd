"""The stages of a run as plain calls in this process, one after another: what they cost without Prefect and Dask."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.gate.verdict import ensure_somebody
from mixval.stages import coalitions, forward, frame, gating, gradients, publishing, sharing, summaries, target_gradients, terms
from mixval.stages.jobs import MeasureJob, contributor_job
from mixval.stages.preparing import PreparedRun, prepare_run
from mixval.stages.reducing import Reduced, reduce_terms
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location

EXAMPLE = Path(__file__).parents[1] / "examples" / "images" / "config.yaml"
WORKER_BYTES = 8 * 2**30


def run_plainly(config: ValuationConfig) -> None:
    """Plan, gate, measure, reduce, value unions and publish."""
    prepared = prepare_run(config, 1, WORKER_BYTES)
    refs = {one.name: gating.gate_contributor(config, one, prepared.target) for one in prepared.plan.contributors}
    outcomes = {name: gating.read_outcome(config, ref) for name, ref in refs.items()}
    outcomes = sharing.compare(config, outcomes, refs)
    ensure_somebody(list(outcomes.values()))
    jobs = admitted_jobs(config, prepared, outcomes)
    measured = measure_plainly(list(jobs.values()), prepared.target_job)
    reduced = reduce_terms(config, measured, outcomes, prepared.identity)
    together = value_unions_plainly(config, jobs, prepared.target_job, reduced)
    account = publishing.RunAccount(datetime.now(UTC), {}, {}, {}, [], [], refs)
    expected = read_latest(open_location(config.output))
    publishing.publish(config, prepared, list(outcomes.values()), reduced, account, expected, together)


def admitted_jobs(config: ValuationConfig, prepared: PreparedRun, outcomes: dict[str, GateOutcome]) -> dict[str, MeasureJob]:
    """By name, what there is to measure."""
    return {
        one.name: contributor_job(config, one, outcomes[one.name], prepared.identity, prepared.classes)
        for one in prepared.plan.contributors
        if outcomes[one.name].is_in
    }


def measure_plainly(jobs: list[MeasureJob], target: MeasureJob) -> dict[str, ArtifactRef]:
    """The terms of these contributors, by either way of measuring."""
    forward.forward_pass(target)
    if target.ntk.method == "sketched":
        frame.make_frame(target)
        if terms.is_risk(target):
            target_gradients.make_target_gradients(target)
    measured = {}
    for job in jobs:
        if target.ntk.method == "sketched":
            for chosen in summaries.batches(job):
                summaries.summarise(job, target, chosen)
            summaries.merged_summary(job, target)
        else:
            gradients.whole_gram(job, target)
            forward.forward_pass(job)
        measured[job.contributor.name] = terms.contributor_terms(job, target)
    return measured


def value_unions_plainly(
    config: ValuationConfig, jobs: dict[str, MeasureJob], target: MeasureJob, reduced: Reduced
) -> coalitions.Together | None:
    """What `flows/valuation.py` asks of unions."""
    work = union_work(config, jobs, target, reduced)
    if work is None:
        return None
    for question in coalitions.QUESTIONS:
        coalitions.answer(work, question)
    return coalitions.coalition_tables(work)


def union_work(
    config: ValuationConfig, jobs: dict[str, MeasureJob], target: MeasureJob, reduced: Reduced
) -> coalitions.CoalitionJob | None:
    """The unions that are to be valued, if any."""
    ranked = reduced.ranking["contributor"].to_pylist()
    if target.ntk.method != "sketched" or config.value.coalitions == 0 or len(ranked) < 2:
        return None
    chosen = ranked[: coalitions.MOST_CONTRIBUTORS]
    return coalitions.CoalitionJob(
        jobs=[jobs[name] for name in chosen],
        target=target,
        coefficients=reduced.weights.coefficients.tolist(),
        centres=reduced.weights.centres.tolist(),
        n_left_out=len(ranked) - len(chosen),
        coalitions=config.value.coalitions,
    )
