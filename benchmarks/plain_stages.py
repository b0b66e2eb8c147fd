"""The stages of a run as plain calls in this process, one after another: what they cost without Prefect and Dask."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.gate.verdict import ensure_somebody
from mixval.stages import forward, frame, gating, gradients, publishing, sharing, summaries, terms
from mixval.stages.jobs import MeasureJob, contributor_job
from mixval.stages.preparing import prepare_run
from mixval.stages.reducing import reduce_terms
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location

EXAMPLE = Path(__file__).parents[1] / "examples" / "images" / "config.yaml"
WORKER_BYTES = 8 * 2**30


def run_plainly(config: ValuationConfig) -> None:
    """Plan, gate, measure, reduce and publish, without values of unions."""
    prepared = prepare_run(config, 1, WORKER_BYTES)
    refs = {one.name: gating.gate_contributor(config, one, prepared.target) for one in prepared.plan.contributors}
    outcomes = {name: gating.read_outcome(config, ref) for name, ref in refs.items()}
    outcomes = sharing.compare(config, outcomes, refs)
    ensure_somebody(list(outcomes.values()))
    jobs = [
        contributor_job(config, one, outcomes[one.name], prepared.identity, prepared.classes)
        for one in prepared.plan.contributors
        if outcomes[one.name].is_in
    ]
    measured = measure_plainly(jobs, prepared.target_job)
    reduced = reduce_terms(config, measured, outcomes, prepared.identity)
    account = publishing.RunAccount(datetime.now(UTC), {}, {}, {}, [], [], refs)
    publishing.publish(config, prepared, list(outcomes.values()), reduced, account, read_latest(open_location(config.output)))


def measure_plainly(jobs: list[MeasureJob], target: MeasureJob) -> dict[str, ArtifactRef]:
    """The four terms of these contributors, by either way of measuring."""
    forward.forward_pass(target)
    if target.ntk.method == "sketched":
        frame.make_frame(target)
    measured = {}
    for job in jobs:
        if target.ntk.method == "sketched":
            for chosen in summaries.batches(job):
                summaries.summarise(job, target, chosen)
            summaries.merged_summary(job, target)
        else:
            gradients.whole_gram(job)
            forward.forward_pass(job)
        measured[job.contributor.name] = terms.contributor_terms(job, target)
    return measured
