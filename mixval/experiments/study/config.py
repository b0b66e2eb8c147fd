"""Configuration of a study of mixtures (arXiv 2510.01631): texts, ratios, budgets, sizes, and how models are trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mixval.config.base import FrozenModel
from mixval.config.synthesis import Recipe
from mixval.experiments.grid_config import GridConfig
from mixval.experiments.study.shapes import SHAPES, Shape

RATIOS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 33.0, 50.0, 67.0, 100.0)
"""Those of the paper's sections 4 and 5.1, and 30 %, which its findings name."""
FEWEST_STEPS = 10
"""A warm-up of a tenth of the steps is then one step."""
NAME = r"^[\w.-]{1,40}$"


class StudyRecipe(FrozenModel):
    """How each model is trained: AdamW, a linear warm-up and a cosine, over packed sequences. Defaults are Table 2's."""

    learning_rate: float = Field(default=3e-4, gt=0)
    """Peak rate, the same for all sizes."""
    least_rate_share: float = Field(default=1e-6, ge=0, lt=1)
    """Share of the peak that the cosine ends at."""
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the rate rises linearly."""
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    """AdamW's, of the mean of gradients."""
    beta_2: float = Field(default=0.95, ge=0, lt=1)
    """AdamW's, of the mean of their squares."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled, on weights of two dimensions; norms have none."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Largest norm of a step's gradient."""
    context: int = Field(default=4096, ge=8)
    """Tokens of a sequence. Documents are packed: one follows the other, with the tokenizer's marks between them."""
    batch_tokens: int = Field(default=1_048_576, gt=0)
    """Tokens of a step."""
    pass_sequences: int = Field(default=4, gt=0)
    """Sequences of a forward and backward pass; gradients of a step's passes are added up."""
    products: Literal["float32", "bfloat16"] = "bfloat16"
    """Precision of a step's products, and of evaluation. Weights and the optimiser's state are float32."""

    @property
    def batch_sequences(self) -> int:
        """Sequences of a step."""
        return self.batch_tokens // self.context

    @model_validator(mode="after")
    def _a_step_has_a_sequence(self) -> StudyRecipe:
        if self.batch_tokens < self.context:
            raise ValueError(f"`batch_tokens`: expected at least one sequence of {self.context}, found {self.batch_tokens}")
        return self


class StudyConfig(GridConfig):
    """Everything that `mixval scaling study` needs."""

    real: str | list[str]
    """URL of a file or folder of natural documents, or several: Parquet, JSON Lines, CSV or Arrow (docs/data.md)."""
    synthetic: dict[str, str]
    """Name -> URL of the documents of one kind or generator of synthetic text. Each is mixed with the real ones by itself."""
    held_out: dict[str, str]
    """Name -> URL of held-out real documents of a domain. The loss is the mean over domains of the loss a token."""
    column: str = "text"
    """Column with the text, in all of them."""
    made_by: dict[str, Recipe] = Field(default_factory=dict)
    """Name of synthetic text -> the recipe that it was made by, `hq-rephrase`, `qa-rephrase` or `textbook`: what is found is
    then set beside what the paper found of that recipe."""
    tokenizer: str | Literal["byte"]
    """`byte`, or a folder with `tokenizer.json`."""
    sizes: list[str | Shape] = Field(default=["1B"], min_length=1)
    """Models: names of Table 1 (100M, 200M, 500M, 1B, 2B, 3B) or of smaller ones for processors (0.03M, 0.06M, 0.1M, 0.3M,
    0.8M, 2.7M), or shapes: `{name: mine, dim: 256, layers: 4, heads: 4}`."""
    budgets: list[int] = Field(min_length=1)
    """Training tokens, ascending; all of them are tried for each size. A smaller budget is the beginning of a larger one."""
    ratios: list[float] = Field(default_factory=lambda: list(RATIOS), min_length=2)
    """Synthetic share of the training tokens in per cent, ascending, with 0."""
    most_epochs: float = Field(default=1.0, ge=1)
    """Most passes over a text that a training may take; where one needs more, the study is refused before it trains."""
    replicates: int = Field(default=3, gt=0)
    """Trainings at each place of the grid: other documents, another order and another initialisation, the same for all
    ratios."""
    recipe: StudyRecipe = StudyRecipe()
    """How each model is trained."""
    evaluation_context: int = Field(default=2048, ge=8)
    """Tokens that a held-out document is cut into, each piece read by itself (Table 3). At most `recipe.context`."""
    evaluation_documents: int | None = Field(default=None, gt=1)
    """Documents of each domain that are read, the first ones. None: all."""
    tokens_a_day: float | None = Field(default=None, gt=0)
    """Training tokens a day of the largest size on one worker, for the plan: one that runs on other machines than this one.
    None: a few steps are measured here."""

    @property
    def real_urls(self) -> list[str]:
        """The URLs of real documents, in order."""
        return [self.real] if isinstance(self.real, str) else list(self.real)

    @property
    def shapes(self) -> list[Shape]:
        """The models, the smallest first."""
        found = [SHAPES[one] if isinstance(one, str) else one for one in self.sizes]
        return sorted(found, key=lambda one: one.params)

    @field_validator("sizes")
    @classmethod
    def _sizes_are_known(cls, given: list[Any]) -> list[Any]:
        names = [one if isinstance(one, str) else one.name for one in given]
        unknown = [one for one in given if isinstance(one, str) and one not in SHAPES]
        if unknown:
            raise ValueError(f"expected {', '.join(SHAPES)}, or a shape with name, dim, layers and heads; found {unknown[0]!r}")
        if len(set(names)) < len(names):
            raise ValueError(f"expected each size once, found {', '.join(names)}")
        return given

    @field_validator("ratios")
    @classmethod
    def _ratios_are_shares(cls, given: list[float]) -> list[float]:
        if given[0] != 0 or given[-1] > 100 or any(later <= earlier for earlier, later in pairwise(given)):
            raise ValueError(f"expected per cents in ascending order from 0 to 100 at most, 0 among them, found {given}")
        return given

    @field_validator("synthetic", "held_out")
    @classmethod
    def _texts_are_named(cls, given: dict[str, str]) -> dict[str, str]:
        import re

        if not given or not all(re.match(NAME, name) and url.strip() for name, url in given.items()):
            raise ValueError("expected a name of letters, digits, `_`, `.` or `-`, and a URL, at least one; found others")
        return given

    @model_validator(mode="after")
    def _kinds_are_those_that_are_mixed(self) -> StudyConfig:
        if "real" in self.synthetic:
            raise ValueError("`synthetic`: expected names other than `real`, found it. Rename it")
        if unknown := sorted(set(self.made_by) - set(self.synthetic)):
            raise ValueError(f"`made_by`: expected names of `synthetic` ({', '.join(self.synthetic)}), found {unknown[0]!r}")
        if not self.real_urls or not all(url.strip() for url in self.real_urls):
            raise ValueError("`real`: expected the URL of a file or folder with documents, found none")
        return self

    @model_validator(mode="after")
    def _every_budget_is_a_training(self) -> StudyConfig:
        least = FEWEST_STEPS * self.recipe.batch_tokens
        if any(later <= earlier for earlier, later in pairwise(self.budgets)):
            raise ValueError(f"`budgets`: expected numbers of tokens in ascending order, found {self.budgets}")
        if self.budgets[0] < least:
            raise ValueError(
                f"`budgets`: expected at least {least:,} tokens, {FEWEST_STEPS} steps of `recipe.batch_tokens`, found "
                f"{self.budgets[0]:,}. Raise it, or lower `recipe.batch_tokens`"
            )
        if self.evaluation_context > self.recipe.context:
            raise ValueError(
                f"`evaluation_context`: expected at most `recipe.context`, {self.recipe.context}, which models are trained at, "
                f"found {self.evaluation_context}"
            )
        return self
