"""Trainings over a grid as flows on the shared cluster: trainings on workers, reused by the next run."""

from __future__ import annotations

from pathlib import Path

from mixval.experiments.config import ExperimentConfig
from mixval_flows.experiment import experiment, study
from mixval_flows.front import run_experiment
from mixval_flows.runner import LazyCluster
from mixval_tasks.cluster import use_cluster
from tests.experiments.labelled import settings
from tests.experiments.texts import config_of


def test_workers_train_and_the_next_run_trains_nothing(cluster: LazyCluster, tmp_path: Path) -> None:
    config = ExperimentConfig.model_validate(settings(tmp_path, replicates=1))
    with use_cluster(cluster):
        summary = experiment(config)
    assert (summary.n_trained, summary.n_found) == (6, 0)
    assert (Path(config.output) / "runs" / summary.run_id / "report.html").exists()
    again = run_experiment(config)  # starts neither API nor cluster
    assert (again.run_id, again.n_trained, again.n_found) == (summary.run_id, 0, 6)


def test_a_study_goes_on_where_another_one_ended(cluster: LazyCluster, tmp_path: Path) -> None:
    config = config_of(tmp_path, budgets=[640], ratios=[0, 100], replicates=1)
    small = config.model_copy(update={"sizes": config.sizes[:1]})
    with use_cluster(cluster):
        first, second = study(small), study(config.model_copy(update={"sizes": config.sizes[:2]}))
    assert (first.n_trained, first.n_found, second.n_trained, second.n_found) == (3, 0, 3, 3)
    assert (Path(config.output) / "runs" / second.run_id / "report.html").exists()
