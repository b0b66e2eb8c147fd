"""A whole experiment: what is there already, its trainings, and its publication."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from mixval.config.fingerprint import fingerprint
from mixval.contracts.plan import content_digest
from mixval.contracts.schemas import versions_of
from mixval.evidence.truth import listed_of
from mixval.experiments.config import ExperimentConfig
from mixval.experiments.drawn_training import drawn_ref
from mixval.experiments.grid import Trainings, train_all
from mixval.experiments.preparing import Experiment, prepare
from mixval.experiments.results import (
    ExperimentManifest,
    ExperimentResults,
    ExperimentSummary,
    figures,
    read_trainings,
)
from mixval.experiments.words import headline
from mixval.experiments.writers import WRITERS
from mixval.progress import current
from mixval.publish.publication import publish_run, run_name, whole_manifest
from mixval.publish.run_manifest import package_versions, resolved_config
from mixval.stages.whole_run import Maker
from mixval.storage.layout import Layout
from mixval.storage.pointer import Latest, standing_latest
from mixval.storage.root import open_location
from mixval.telemetry.facts import DataUsed, Facts
from mixval.telemetry.observing import tell

COMMAND = "mixval scaling experiment"
VERSION = 1
"""Raised whenever the same trainings would be published otherwise."""


@dataclass(frozen=True)
class Trained:
    """An experiment whose trainings are all there."""

    experiment: Experiment
    trainings: Trainings
    started: datetime
    expected: Latest | None
    """What `latest.json` named when the run began."""


def up_to_date(config: ExperimentConfig) -> ExperimentSummary | None:
    """The latest run's summary where it is of the same trainings and whole."""
    latest = standing_latest(open_location(config.output, config.storage))
    if latest is None or (found := _published(experiment := prepare(config), latest)) is None:
        return None
    tell(lambda: _facts(found, experiment))
    return found


def run_experiment(config: ExperimentConfig, maker: Maker) -> Trained:
    """Train what is missing. Raises as `prepare` and `train_all` do."""
    started, expected = datetime.now(UTC), standing_latest(open_location(config.output, config.storage))
    experiment = prepare(config)
    return Trained(experiment, train_all(experiment.steps, maker), started, expected)


def publish_experiment(run: Trained) -> ExperimentSummary:
    """Draw the curves and publish them; the latest run's summary where it has published the same.

    Raises ConflictError where another run was published meanwhile.
    """
    config, trained = run.experiment.config, {"n_trained": run.trainings.n_trained, "n_found": run.trainings.n_found}
    root = open_location(config.output, config.storage)
    if run.expected is not None and (found := _published(run.experiment, run.expected)) is not None:
        return found.model_copy(update=trained)
    current().begin("publish", 1)
    by_class = read_trainings(run.experiment)
    name = _fingerprint(run.experiment)
    run_id = run_name(run.started, name)
    summary = ExperimentSummary(
        run_id=run_id, url=Layout(root).run(run_id).url, figures=figures(run.experiment, by_class), **trained
    )
    manifest = ExperimentManifest(
        run_id=run_id,
        fingerprint=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=package_versions(),
        config=resolved_config(config),
        summary=summary,
    )
    publish_run(root, ExperimentResults(manifest, by_class), WRITERS, run.expected)
    tell(lambda: _facts(summary, run.experiment))
    current().end("publish", "")
    return summary


def _published(experiment: Experiment, latest: Latest) -> ExperimentSummary | None:
    if latest.fingerprint != _fingerprint(experiment):
        return None
    folder = Layout(open_location(experiment.config.output, experiment.config.storage)).run(latest.run_id)
    found = whole_manifest(folder, ExperimentManifest, "experiment-manifest")
    if found is None:
        return None
    return found.summary.model_copy(update={"n_trained": 0, "n_found": len(experiment.jobs)})


def _fingerprint(experiment: Experiment) -> str:
    refs = [drawn_ref(job).fingerprint for job in experiment.jobs]
    return fingerprint("experiment-run", VERSION, published=versions_of(COMMAND), trainings=refs, seed=experiment.config.seed)


def _facts(summary: ExperimentSummary, experiment: Experiment) -> Facts:
    """The rows as input, the run's folder as output, trainings as numbers."""
    config, listed = experiment.config, listed_of(experiment.jobs[0])
    used = [DataUsed(url, content_digest(listed[url]), "contributors") for url in config.urls]
    used.append(DataUsed(config.test, content_digest(listed[config.test]), "target"))
    return Facts(
        run_id=summary.run_id,
        is_new=summary.n_trained > 0,
        headline=headline(summary.figures),
        inputs=used,
        outputs=[DataUsed(summary.url, summary.run_id, "results")],
        samples={
            "mixval_trainings": [({"state": "run"}, float(summary.n_trained)), ({"state": "reused"}, float(summary.n_found))],
        },
    )
