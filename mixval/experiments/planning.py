"""What a run of an experiment takes: trainings that are missing, passes over rows, operations and hours.

Seconds come from a few steps on this machine, and operations from a count of the products of one of them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from torch.utils.flop_counter import FlopCounterMode

from mixval.config.base import FrozenModel
from mixval.evidence.recipe import TrainingRecipe
from mixval.evidence.training import planned_steps, train
from mixval.evidence.truth import learner_of, listed_of, read_rows
from mixval.experiments.drawn_training import DrawnJob
from mixval.experiments.preparing import Experiment
from mixval.stages.resident import pick_device

TRIAL_STEPS = 4


class ExperimentPlan(FrozenModel):
    """What a run takes."""

    n_trainings: int
    n_found: int
    """Trainings that are there already."""
    row_passes: int
    """Rows of all missing trainings' steps."""
    teraflops: float
    """Operations of those passes, 1e12 of them."""
    seconds_a_row: float
    """Of a training step on this machine, in one process."""
    encoded_rows: int
    """Training and test rows that are decoded, and passed through a frozen body, once a training."""
    seconds_an_encoded_row: float
    n_workers: int
    hours: float
    """Of the missing trainings on that many workers as fast as this process."""


def plan(experiment: Experiment, n_workers: int) -> ExperimentPlan:
    """The plan. Trains a few steps of the smallest sample and commits nothing."""
    missing = [job for job, step in zip(experiment.jobs, experiment.steps, strict=True) if not step.is_done]
    passes = [row_passes(job.n_rows, job.recipe) for job in missing]
    encoded = [min(job.n_rows, experiment.n_rows) + experiment.n_test for job in missing]
    found = _trial(experiment.jobs[-1])
    each = [found.step * n + found.encoding * m for n, m in zip(passes, encoded, strict=True)]
    return ExperimentPlan(
        n_trainings=len(experiment.jobs),
        n_found=len(experiment.jobs) - len(missing),
        row_passes=sum(passes),
        teraflops=found.operations * sum(passes) / 1e12,
        seconds_a_row=found.step,
        encoded_rows=sum(encoded),
        seconds_an_encoded_row=found.encoding,
        n_workers=n_workers,
        hours=max(sum(each) / n_workers, max(each, default=0.0)) / 3600,
    )


def row_passes(n_rows: int, recipe: TrainingRecipe) -> int:
    """Rows of all steps of a training on so many rows."""
    return planned_steps(n_rows, recipe) * min(recipe.batch_rows, n_rows)


@dataclass(frozen=True)
class _Pace:
    """Of one row."""

    encoding: float
    """Seconds."""
    step: float
    """Seconds of a training step."""
    operations: float
    """Of a training step."""


def _trial(job: DrawnJob) -> _Pace:
    """Seconds are a second run's: a first one's hold what is made once."""
    job = job.model_copy(update={"device": pick_device(job.device)})
    recipe = job.recipe.model_copy(update={"min_steps": TRIAL_STEPS, "max_steps": TRIAL_STEPS})
    rows = read_rows(job, job.rows, listed_of(job)).slice(0, recipe.batch_rows * TRIAL_STEPS)
    learner = learner_of(job, job.seed)
    learner.encode(rows.slice(0, 1))
    began = time.perf_counter()
    encoded = learner.encode(rows)
    encoding = (time.perf_counter() - began) / rows.num_rows
    n_passes = TRIAL_STEPS * min(recipe.batch_rows, rows.num_rows)
    with FlopCounterMode(display=False) as counted:
        train(learner, encoded, None, recipe, job.seed)
    began = time.perf_counter()
    train(learner, encoded, None, recipe, job.seed)
    return _Pace(encoding, (time.perf_counter() - began) / n_passes, counted.get_total_flops() / n_passes)
