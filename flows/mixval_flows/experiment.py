"""Train models on ever more rows of a long tail, and put their errors beside Lemma 1's exact curve (arXiv 2511.13640)."""

# No `from __future__ import annotations`: a served flow's parameters are validated where Prefect cannot resolve them as text.

from prefect import flow

from mixval.experiments.config import ExperimentConfig
from mixval.experiments.results import ExperimentSummary
from mixval.experiments.whole import publish_experiment, run_experiment
from mixval.stopping import check, uninterrupted
from mixval.storage.root import open_location
from mixval_flows.announce import announce_experiment, watched
from mixval_flows.credentials import load_credentials
from mixval_flows.outcome import published
from mixval_flows.runner import cluster_for
from mixval_flows.valuation import WAITING, OnCluster


@flow(name="experiment", task_runner=WAITING, persist_result=False)  # type: ignore[arg-type]  # generics of Prefect
def experiment(config: ExperimentConfig) -> ExperimentSummary:
    """One training a size and replicate; those that are there are reused."""
    load_credentials(config.storage.credentials_block)
    with watched(experiment.name, open_location(config.output, config.storage), config.runtime.telling):
        with cluster_for(config.runtime) as cluster:
            run = run_experiment(config, OnCluster(cluster))
        check()
        with uninterrupted():
            summary = publish_experiment(run)
            published(experiment.name, summary)
    announce_experiment(summary)
    return summary
