"""What an experiment will train: its classes, and one job a size and replicate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixval.config.source import SourceConfig
from mixval.contracts.parts import REAL
from mixval.contracts.plan import content_digest
from mixval.errors import ConfigError, ContractError
from mixval.evidence.truth import listed_of, read_rows
from mixval.experiments.config import ExperimentConfig
from mixval.experiments.drawn_training import DrawnJob, drawn_ref, labels_of, train_drawn
from mixval.scaling.knowledge import Generator, Mixture
from mixval.seeds import derive_seed
from mixval.stages.steps import Step, one_call
from mixval.storage.shards import named_classes
from mixval.telemetry.facts import DataUsed


@dataclass(frozen=True)
class Experiment:
    """The jobs of an experiment, largest first, and what its rows are."""

    config: ExperimentConfig
    jobs: tuple[DrawnJob, ...]
    n_rows: int
    n_test: int
    n_classes: int

    @property
    def mixture(self) -> Mixture:
        """The lemma's, over as many pieces as there are classes."""
        tail = self.config.tail
        return Mixture(tail.beta, tail.real, Generator("cut", tail.cut), self.n_classes)

    @property
    def steps(self) -> list[Step]:
        """One a job. The largest come first: the last to finish are then short ones, and no worker idles at the end."""
        return [one_call(f"training {job.contributor}", job.store, drawn_ref(job), train_drawn, job) for job in self.jobs]

    @property
    def used(self) -> list[DataUsed]:
        """Training rows and test rows."""
        listed = listed_of(self.jobs[0])
        used = [DataUsed(url, content_digest(listed[url]), "contributors") for url in self.config.urls]
        return [*used, DataUsed(self.config.test, content_digest(listed[self.config.test]), "target")]

    def job(self, n_rows: int, replicate: int) -> DrawnJob:
        """The job of a size and replicate."""
        return next(one for one in self.jobs if (one.n_rows, one.replicate) == (n_rows, replicate))


def prepare(config: ExperimentConfig) -> Experiment:
    """Reads labels, trains nothing.

    Raises ConfigError for a cut that leaves no class out, ContractError for classes without rows or without test rows.
    """
    first = _job(config, 1, config.sizes[0])
    listed = listed_of(first)
    source = SourceConfig(contributors=config.urls[0], target=config.test, origin=REAL, storage=config.storage)
    shards = [shard for url in (*config.urls, config.test) for shard in listed[url]]
    first = first.model_copy(update={"target_classes": named_classes(shards, source, config.task)})
    labels = labels_of(read_rows(first, config.urls, listed, ["label"]), "rows")
    of_test = labels_of(read_rows(first, [config.test], listed, ["label"]), "test")
    classes = np.unique(labels)
    if config.tail.cut >= len(classes):
        raise ConfigError(
            f"`tail.cut`: expected less than the {len(classes)} classes that the rows have, found {config.tail.cut}: nothing "
            "is cut. Lower it."
        )
    if len(apart := np.setxor1d(classes, of_test)):
        raise ContractError(
            f"{config.test}: expected test rows of the classes of the training rows, of each of them, found classes in one of "
            f"the two alone: {apart[:5].tolist()}. Add rows, or leave the class out of both."
        )
    known = {"classes": classes.tolist(), "target_classes": first.target_classes}
    jobs = [
        _job(config, replicate, n).model_copy(update=known)
        for n in reversed(config.sizes)
        for replicate in range(1, config.replicates + 1)
    ]
    return Experiment(config, tuple(jobs), len(labels), len(of_test), len(classes))


def _job(config: ExperimentConfig, replicate: int, n_rows: int) -> DrawnJob:
    return DrawnJob(
        contributor=f"{n_rows:,} rows, replicate {replicate}",
        rows=config.urls,
        test=config.test,
        output=config.output,
        storage=config.storage,
        task=config.task,
        backbone=config.backbone,
        recipe=config.recipe,
        seed=derive_seed("experiment", config.seed, replicate),
        device=config.runtime.device,
        tail=config.tail,
        n_rows=n_rows,
        replicate=replicate,
    )
