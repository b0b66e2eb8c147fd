"""Train models over a grid and draw what they show: the experiment on three phases, and studies of mixtures."""

# No `from __future__ import annotations`: a served flow's parameters are validated where Prefect cannot resolve them as text.

from collections.abc import Callable

from prefect import flow

from mixval.experiments.config import ExperimentConfig
from mixval.experiments.results import ExperimentSummary
from mixval.experiments.running import C, F, Kind, P, S, publish, run_kind
from mixval.experiments.study.config import StudyConfig
from mixval.experiments.study.results import StudySummary
from mixval.experiments.study.whole import STUDY
from mixval.experiments.whole import PHASES
from mixval.stopping import check, uninterrupted
from mixval.storage.root import open_location
from mixval_flows.announce import announce_experiment, announce_study, watched
from mixval_flows.credentials import load_credentials
from mixval_flows.outcome import published
from mixval_flows.runner import cluster_for
from mixval_flows.valuation import WAITING, OnCluster


@flow(name="experiment", task_runner=WAITING, persist_result=False)  # type: ignore[arg-type]  # generics of Prefect
def experiment(config: ExperimentConfig) -> ExperimentSummary:
    """Models on ever more rows of a long tail, beside Lemma 1's exact curve (arXiv 2511.13640)."""
    return _run(PHASES, config, announce_experiment)


@flow(name="study", task_runner=WAITING, persist_result=False)  # type: ignore[arg-type]  # generics of Prefect
def study(config: StudyConfig) -> StudySummary:
    """Language models on mixtures of real and synthetic text (arXiv 2510.01631)."""
    return _run(STUDY, config, announce_study)


def _run(kind: Kind[C, P, F, S], config: C, announce: Callable[[S], None]) -> S:
    """One training a place of the grid; those that are there are reused."""
    load_credentials(config.storage.credentials_block)
    with watched(kind.flow, open_location(config.output, config.storage), config.runtime.telling):
        with cluster_for(config.runtime) as cluster:
            run = run_kind(kind, config, OnCluster(cluster))
        check()
        with uninterrupted():
            summary = publish(run)
            published(kind.flow, summary)
    announce(summary)
    return summary
