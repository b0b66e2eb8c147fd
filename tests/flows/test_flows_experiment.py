"""The experiment as a flow on the shared cluster: trainings on workers, reused by the next run."""

from __future__ import annotations

from pathlib import Path

from mixval.experiments.config import ExperimentConfig
from mixval_flows.experiment import experiment
from mixval_flows.front import run_experiment
from mixval_flows.runner import LazyCluster
from mixval_tasks.cluster import use_cluster
from tests.experiments.labelled import settings


def test_workers_train_and_the_next_run_trains_nothing(cluster: LazyCluster, tmp_path: Path) -> None:
    config = ExperimentConfig.model_validate(settings(tmp_path, replicates=1))
    with use_cluster(cluster):
        summary = experiment(config)
    assert (summary.n_trained, summary.n_found) == (6, 0)
    assert (Path(config.output) / "runs" / summary.run_id / "report.html").exists()
    again = run_experiment(config)  # starts neither API nor cluster
    assert (again.run_id, again.n_trained, again.n_found) == (summary.run_id, 0, 6)
