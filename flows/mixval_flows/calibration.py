"""Fit the weights of the terms: value the contributors, train on each, and fit weights to the results of the trainings."""

# No `from __future__ import annotations`: a served flow's parameters are validated where Prefect cannot resolve them as text.

from datetime import UTC, datetime

from prefect import flow
from prefect.futures import PrefectFuture, as_completed

from mixval.contracts.record import ArtifactRef
from mixval.evidence.calibrating import Trainings, calibrate, plan_trainings
from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.calibration_facts import calibration_facts
from mixval.evidence.calibration_publishing import calibrations_root, publish_calibration
from mixval.evidence.calibration_results import CalibrationSummary
from mixval.evidence.truth import TruthJob, truth_ref
from mixval.evidence.writers.weights import WEIGHTS
from mixval.progress import current
from mixval.publish.stored_run import open_run
from mixval.stopping import uninterrupted
from mixval.storage.pointer import standing_latest
from mixval.storage.root import open_location
from mixval.telemetry.observing import tell
from mixval_flows.announce import ShownProgress, announce_weights, watched
from mixval_flows.credentials import load_credentials
from mixval_flows.outcome import published
from mixval_flows.runner import cluster_for
from mixval_flows.valuation import WAITING, first_failure, valuation
from mixval_tasks.base import opaque
from mixval_tasks.cluster import current_client
from mixval_tasks.truth import train_truth


@flow(name="calibration", task_runner=WAITING, persist_result=False)  # type: ignore[arg-type]  # generics of Prefect
def calibration(config: CalibrationConfig) -> CalibrationSummary:
    """Weights of the terms, fitted to the results of training on the contributors that a valuation ranks."""
    load_credentials(config.source.storage.credentials_block)
    with watched(calibration.name, open_location(config.output, config.source.storage), config.runtime.telling):
        summary = _calibrated(config)
    announce_weights(summary)
    return summary


def _calibrated(config: CalibrationConfig) -> CalibrationSummary:
    started, expected = datetime.now(UTC), standing_latest(calibrations_root(config))
    with cluster_for(config.runtime):
        run = open_run(valuation(config.valuation).url)
        trainings = plan_trainings(config, sorted(run.ranking["contributor"].to_pylist()))
        n_trained, n_found, failed = train(trainings)
    current().begin("fitting", 1)
    fit, figures = calibrate(config, run, trainings, failed)
    current().end("fitting", f"{figures.n_contributors} contributors")
    valuation_run = run.manifest.run_id
    with uninterrupted():
        folder = publish_calibration(config, fit, figures, valuation_run, started, expected)
        summary = CalibrationSummary(
            **figures.model_dump(),
            url=folder.child(WEIGHTS).url,
            run_id=valuation_run,
            n_trained=n_trained,
            n_found=n_found,
        )
        tell(lambda: calibration_facts(summary, config))
        published(calibration.name, summary)
    return summary


def train(trainings: Trainings) -> tuple[int, int, dict[str, str]]:
    """Run the missing trainings. Returns how many were run, how many reused, and why one failed, by contributor."""
    jobs = [*trainings.alone, *trainings.coalitions]
    current().begin("training", len(jobs))
    pending = [job for job in jobs if job.store.committed(truth_ref(job)) is None]
    for job in jobs:
        if job not in pending:
            current().step("training", f"{job.contributor} seed {job.seed}: reused")
    failed, futures = dict[str, str](), dict[PrefectFuture[ArtifactRef], TruthJob]()
    if pending:
        current_client()  # without a cluster the run fails, not each contributor
        futures = {train_truth.submit(opaque(job)): job for job in pending}
        failed = _failures(futures, ShownProgress("mixval-training", "trainings", len(pending)))
    n_failed = sum(not future.state.is_completed() for future in futures)
    current().end("training", f"{len(pending) - n_failed} trained, {len(jobs) - len(pending)} reused, {n_failed} failed")
    return len(pending) - n_failed, len(jobs) - len(pending), failed


def _failures(futures: dict[PrefectFuture[ArtifactRef], TruthJob], shown: ShownProgress) -> dict[str, str]:
    failed: dict[str, str] = {}
    for future in as_completed(list(futures)):
        job = futures[future]
        reason = first_failure([future])
        if reason is not None:
            failed.setdefault(job.contributor, f"seed {job.seed}: {reason}")
        current().step("training", f"{job.contributor} seed {job.seed}" + (": failed" if reason else ""))
        shown.step()
    return {name: failed[name] for name in sorted(failed)}
