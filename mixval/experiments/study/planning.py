"""What a run of a study takes: trainings that are missing, operations, hours, and how often texts are gone through.

Operations are 6 N a token (forwards and backwards), N counted with the output's products: parameters with the one embedding.
Attention's own products are left out, as the rule has it. Hours come from a few steps of the largest size on this machine, or
from tokens a day that the configuration states; other sizes' by their share of operations.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from mixval.config.base import FrozenModel
from mixval.experiments.study.config import StudyConfig
from mixval.experiments.study.language_model import make_model, train_on
from mixval.experiments.study.preparing import Study, check_epochs, most_epochs, prepare
from mixval.experiments.study.texts import sampled_tokens
from mixval.experiments.study.trained import StudyJob
from mixval.stages.resident import pick_device

TRIAL_STEPS = 3
SAMPLED_DOCUMENTS = 500
"""Of each text, for the number of its tokens."""
DAY = 86_400.0


class SizePlan(FrozenModel):
    """One size."""

    name: str
    params: int
    """Without embeddings."""
    params_with_embedding: int
    tokens: int
    """Of all missing trainings."""
    exaflops: float
    tokens_a_day: float
    """On one worker."""


class StudyPlan(FrozenModel):
    """What a run takes."""

    n_trainings: int
    n_found: int
    """Trainings that are there already."""
    sizes: list[SizePlan]
    exaflops: float
    """Operations of the missing trainings, 1e18 of them."""
    tokens: dict[str, int]
    """About, of each text."""
    most_epochs: dict[str, float]
    """About, passes that a training takes over each text at most."""
    is_measured: bool
    """Whether tokens a day were measured here, and not stated."""
    n_workers: int
    hours: float
    """Of the missing trainings on that many workers."""


def plan(config: StudyConfig, n_workers: int) -> StudyPlan:
    """The plan. Reads some documents, and trains a few steps where no speed is stated; commits nothing.

    Raises ConfigError where a text is by far too short.
    """
    study = prepare(config)
    missing = [job for job, step in zip(study.jobs, study.steps, strict=True) if not step.is_done]
    counts = {name: round(sampled_tokens(job, SAMPLED_DOCUMENTS)) for name, job in study.texts.items()}
    check_epochs(study, counts, roughly="about ")
    largest = max(study.jobs, key=flops_a_token)
    speed = config.tokens_a_day or _measured(largest)
    rates = {job.shape.name: speed * flops_a_token(largest) / flops_a_token(job) for job in study.jobs}
    days = [job.tokens / rates[job.shape.name] for job in missing]
    return StudyPlan(
        n_trainings=len(study.jobs),
        n_found=len(study.jobs) - len(missing),
        sizes=[_size(study, missing, name, rate) for name, rate in sorted(rates.items(), key=lambda one: -one[1])],
        exaflops=_exaflops(missing),
        tokens=counts,
        most_epochs=most_epochs(study, counts),
        is_measured=config.tokens_a_day is None,
        n_workers=n_workers,
        hours=24 * max(sum(days) / n_workers, max(days, default=0.0)),
    )


def flops_a_token(job: StudyJob) -> float:
    """Of a training step."""
    return 6.0 * job.shape.params_with(job.vocabulary)


def _size(study: Study, missing: Sequence[StudyJob], name: str, rate: float) -> SizePlan:
    own, one = [job for job in missing if job.shape.name == name], next(job for job in study.jobs if job.shape.name == name)
    return SizePlan(
        name=name,
        params=one.shape.params,
        params_with_embedding=one.shape.params_with(one.vocabulary),
        tokens=sum(job.tokens for job in own),
        exaflops=_exaflops(own),
        tokens_a_day=rate,
    )


def _exaflops(jobs: Sequence[StudyJob]) -> float:
    return sum(flops_a_token(job) * job.tokens for job in jobs) / 1e18


def _measured(job: StudyJob) -> float:
    """Tokens a day of a few steps; those of a second run, since the first makes what is made once."""
    recipe, context = job.recipe, job.recipe.context
    model = make_model(job.shape, job.vocabulary, context, 0, pick_device(job.device))
    random = np.random.default_rng(0)
    shape = (TRIAL_STEPS, recipe.batch_sequences, context + 1)
    for _ in range(2):
        began = time.perf_counter()
        train_on(model, iter(random.integers(0, job.vocabulary, shape)), TRIAL_STEPS, recipe)
        took = time.perf_counter() - began
    return DAY * TRIAL_STEPS * recipe.batch_sequences * context / took
