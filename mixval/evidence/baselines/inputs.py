"""Inputs of a method in one world: contributors' rows, the target's, the backbone, and quantities computed from them.

Letters: K contributors; N rows of one, M of the target T; D features; C classes; q sketch features. Everything beyond the rows
is computed at its first use, cached, and charged to every method that uses it (`metering.py`). The test set of a world is
not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.config.tasks import Task
from mixval.contracts.parts import REAL
from mixval.errors import ConfigError
from mixval.evidence.baselines import checkpoints, forward_pass, raw_inputs, row_gradients
from mixval.evidence.baselines.metering import Ledger
from mixval.evidence.baselines.product import ProductValues
from mixval.evidence.recipe import TrainingRecipe
from mixval.models.backbone import Backbone
from mixval.models.outputs import OutputKind
from mixval.terms.arrays import Floats, Masks

Made = TypeVar("Made")
Labels = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Contributor:
    """One contributor's rows under the row contract, with `origin`."""

    name: str
    table: pa.Table

    @cached_property
    def is_real(self) -> Masks:
        """(N,) bool."""
        return np.array([origin == REAL for origin in self.table["origin"].to_pylist()], dtype=np.bool_)

    @property
    def n_rows(self) -> int:
        """N."""
        return int(self.table.num_rows)

    @property
    def n_real(self) -> int:
        """Real rows."""
        return int(self.is_real.sum())


@dataclass(frozen=True)
class Sides(Generic[Made]):
    """One quantity of every contributor, and of the target."""

    contributors: list[Made]
    """K."""
    target: Made


class Budget(FrozenModel):
    """Sizes of the quantities that methods share."""

    batch_rows: int = Field(default=64, gt=0)
    """Rows of a forward or backward pass."""
    sketch_features: int = Field(default=2048, ge=2, multiple_of=2)
    """q: numbers that a row's gradient is sketched to."""
    parameters: tuple[str, ...] = ("linear", "conv")
    """Kinds of parameters whose gradients count, as `ntk.parameters`."""
    gram_rows: int = Field(default=500, gt=1)
    """Rows of a contributor whose exact NTK is taken (Eq. 8 and DAVINZ)."""
    gram_bytes: int = Field(default=512 * 2**20, gt=0)
    """Bytes of gradients in memory at a time for it."""
    pooled_rows: int = Field(default=4000, gt=0)
    """Rows of all contributors together, for a method that solves over their coalition."""
    transport_rows: int = Field(default=1000, gt=0)
    """Rows on a side of an optimal transport problem."""
    recipe: TrainingRecipe = TrainingRecipe(max_steps=300)
    """How the backbone is trained on the coalition of all contributors, for methods that need checkpoints."""
    n_checkpoints: int = Field(default=3, gt=0)
    """Kept at equal distances along that training, the last at its end."""


@dataclass(frozen=True)
class Inputs:
    """One world as given to a method. Raises ConfigError for no contributors, or one without rows."""

    task: Task
    contributors: Sequence[Contributor]
    target: pa.Table
    """T's rows, with labels where the task has them."""
    backbone: Backbone
    budget: Budget = field(default_factory=Budget)
    valuation: Callable[[], ProductValues] | None = field(default=None, repr=False)
    """What a run publishes of the same contributors. None: there is no configuration that values them."""
    ledger: Ledger = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse inputs without contributors or rows."""
        empty = [one.name for one in self.contributors if one.n_rows == 0]
        if not self.contributors or empty or self.target.num_rows == 0:
            raise ConfigError(
                f"a ranking needs contributors and a target with rows, found {len(self.contributors)} contributors, "
                f"{empty[:5]} of them empty, and {self.target.num_rows} target rows. Leave empty contributors out."
            )
        object.__setattr__(self, "ledger", Ledger(self.backbone.device))

    @property
    def has_labels(self) -> bool:
        """Whether rows have a class."""
        return not self.backbone.is_causal

    def valued(self) -> ProductValues:
        """What a run publishes of the contributors. Raises ConfigError without a configuration, and as a run does."""

        def make() -> tuple[ProductValues, float, int]:
            if self.valuation is None:
                raise ConfigError("what a run publishes needs a configuration that values these contributors, found none.")
            found = self.valuation()
            return found, found.seconds, found.peak_bytes

        return self.ledger.given(("gradients", "valued"), make)

    def passes(self) -> Sides[forward_pass.Pass]:
        """Losses and frozen features of all rows."""
        return self._each("features", lambda rows: forward_pass.run(self.backbone, rows, self.budget.batch_rows))

    def labels(self) -> Sides[Labels]:
        """(N,) class index of each row."""
        return self._each("labels", lambda rows: raw_inputs.class_labels(self.backbone, rows))

    @cached_property
    def n_classes(self) -> int:
        """C, as the backbone has outputs."""
        return raw_inputs.n_classes(self.backbone)

    def pixels(self) -> Sides[Floats]:
        """(N, H*W*C) pixels, 0 to 1."""
        return self._each("pixels", lambda rows: self.backbone.pixels(rows).double().numpy())

    def outlines(self) -> Sides[Floats]:
        """(N, F) histograms of oriented gradients of images."""
        return self._each("outlines", raw_inputs.outlines)

    def texts(self) -> Sides[list[raw_inputs.Document]]:
        """Each row's text, and which part of it is to be learnt."""
        return self._each("texts", lambda rows: raw_inputs.documents(rows, self.task))

    def word_counts(self) -> Sides[Any]:
        """(N, V) sparse TF-IDF vectors of length 1 over the words of all contributors and T."""

        def make() -> Sides[Any]:
            texts = self.texts()
            return self._sides(raw_inputs.tf_idf([*texts.contributors, texts.target]))

        return self.ledger.take("word-counts", make)

    def gradients(self, kind: OutputKind, seed: int = 0, checkpoint: int | None = None) -> Sides[row_gradients.Sketch]:
        """(N, q) sketched gradients of f for all rows, at the initial weights or at a checkpoint."""

        def make() -> Sides[row_gradients.Sketch]:
            backbone = self.backbone if checkpoint is None else self.checkpoints(seed)[checkpoint]
            tables = [*(one.table for one in self.contributors), self.target]
            wanted = row_gradients.Wanted(kind, seed, self.budget.parameters, self.budget.sketch_features)
            return self._sides(row_gradients.sketches(backbone, tables, wanted, self.budget.batch_rows))

        return self.ledger.take(("gradients", kind, seed, checkpoint), make)

    def grams(self, seed: int = 0) -> list[row_gradients.Gram]:
        """Exact NTKs of the own label's logit over at most `gram_rows` of each contributor, in random order."""

        def make() -> list[row_gradients.Gram]:
            wanted = row_gradients.Wanted("logit", seed, self.budget.parameters, self.budget.gram_rows)
            passing = self.budget.batch_rows, self.budget.gram_bytes
            return [row_gradients.gram(self.backbone, one.name, one.table, wanted, *passing) for one in self.contributors]

        return self.ledger.take(("gradients", "gram", seed), make)

    def checkpoints(self, seed: int = 0) -> list[Backbone]:
        """Checkpoints of the backbone along a training on all contributors' rows together, the last at its end."""

        def make() -> list[Backbone]:
            pooled = pa.concat_tables([one.table for one in self.contributors], promote_options="default")
            return checkpoints.trained(self.backbone, pooled, self.budget.recipe, self.budget.n_checkpoints, seed)

        return self.ledger.take(("checkpoints", seed), make)

    def _each(self, key: str, make: Callable[[pa.Table], Made]) -> Sides[Made]:
        def of_all() -> Sides[Made]:
            return self._sides([make(rows) for rows in (*(one.table for one in self.contributors), self.target)])

        return self.ledger.take(key, of_all)

    def _sides(self, made: Sequence[Made]) -> Sides[Made]:
        return Sides(list(made[:-1]), made[-1])
