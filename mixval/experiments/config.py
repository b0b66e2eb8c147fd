"""Configuration of the experiment on three phases (arXiv 2511.13640): rows, how they are drawn, sizes, and what is trained."""

from __future__ import annotations

import math
from itertools import pairwise

from pydantic import Field, model_validator

from mixval.config.backbone import BackboneConfig
from mixval.config.base import FrozenModel
from mixval.config.tasks import Task, TaskSpec, spec_of
from mixval.evidence.recipe import TrainingRecipe
from mixval.experiments.grid_config import GridConfig

FEWEST_SIZES = 6
"""Two pieces of a power law need as many points."""
SIZES = (300, 600, 1_200, 2_500, 4_900, 10_000, 20_000, 40_000, 78_400, 160_000)
"""From far below 70^2 to twice 70^2 / 0.0625."""
RECIPE = TrainingRecipe(batch_rows=64, epochs=1, min_steps=500, max_steps=2_500, augment=True)
"""One pass over the largest sample; no fewer steps for a small one, so that it is trained to the end."""


class LongTail(FrozenModel):
    """How training rows are drawn: classes in an order of rank, the class of rank i with a share i^-beta of real data."""

    beta: float = Field(default=2.0, gt=0)
    """Exponent of Zipf's law over the classes. Dimensionless."""
    cut: int = Field(default=70, gt=0)
    """k: the part in the place of synthetic data holds the classes of the first k ranks alone."""
    real: float = Field(default=0.0625, gt=0, lt=1)
    """pi: share of the rows that are drawn from all classes. The others are drawn from the first k."""


class ExperimentConfig(GridConfig):
    """Everything that `mixval scaling experiment` needs."""

    task: Task = "image-classification"
    """A task with labels: the pieces of knowledge are its classes."""
    rows: str | list[str]
    """URL of a file or folder of real rows with labels, or several, in contract columns. Training rows are drawn from them
    with replacement."""
    test: str
    """URL of a folder of held-out rows of every class."""
    backbone: BackboneConfig
    """The model that is trained, anew for each size and replicate."""
    tail: LongTail = LongTail()
    """How training rows are drawn."""
    sizes: list[int] = Field(default_factory=lambda: list(SIZES), min_length=FEWEST_SIZES)
    """Numbers of training rows, ascending. A smaller sample is the beginning of a larger one."""
    replicates: int = Field(default=2, gt=0)
    """Trainings at each size: other rows, another order of the classes, another initialisation."""
    recipe: TrainingRecipe = RECIPE
    """How a model is trained. Nothing is held out for early stopping, so that n rows are n rows: keys about that have no
    effect."""

    @property
    def urls(self) -> list[str]:
        """The URLs of training rows, in order."""
        return [self.rows] if isinstance(self.rows, str) else list(self.rows)

    @property
    def task_spec(self) -> TaskSpec:
        """What the task learns."""
        return spec_of(self.task)

    @model_validator(mode="after")
    def _classes_are_learnt(self) -> ExperimentConfig:
        if not self.task_spec.has_labels:
            raise ValueError(f"`task`: expected one with labels, whose classes are the pieces of knowledge, found {self.task}")
        return self

    @model_validator(mode="after")
    def _rows_are_named(self) -> ExperimentConfig:
        if not self.urls or not all(url.strip() for url in self.urls):
            raise ValueError("`rows`: expected the URL of a file or folder with rows, found none")
        return self

    @model_validator(mode="after")
    def _every_row_is_trained_on(self) -> ExperimentConfig:
        if self.sizes[0] < 1 or any(later <= earlier for earlier, later in pairwise(self.sizes)):
            raise ValueError(f"`sizes`: expected positive numbers of rows in ascending order, found {self.sizes}")
        needed = math.ceil(self.sizes[-1] / self.recipe.batch_rows)
        if self.recipe.max_steps < needed:
            raise ValueError(
                f"`recipe.max_steps`: {self.sizes[-1]} rows in steps of {self.recipe.batch_rows} take {needed} steps to be "
                f"seen once, found {self.recipe.max_steps}: a model that does not see its rows says nothing of their number"
            )
        return self
