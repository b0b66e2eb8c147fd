"""The complete configuration of a synthesis: documents, recipe, generator, filters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from mixval.config.base import FrozenModel
from mixval.config.generators import SamplingConfig, ServerGeneratorConfig, TransformersGeneratorConfig
from mixval.config.runtime import RuntimeConfig
from mixval.config.source import StorageConfig
from mixval.config.synthesis_filters import FiltersConfig

Recipe = Literal["hq-rephrase", "qa-rephrase", "textbook"]
"""What is made of a document."""
Audience = Literal["grade school students", "college students", "field experts", "general public"]
"""Whom a textbook is for."""
AUDIENCES: tuple[Audience, ...] = ("grade school students", "college students", "field experts", "general public")
STEPS: dict[str, tuple[str, ...]] = {
    "hq-rephrase": ("rephrase",),
    "qa-rephrase": ("rephrase",),
    "textbook": ("outline", "chapter"),
}
"""Steps of each recipe, in order: each has a prompt template."""
TARGET_TOKENS: dict[str, int] = {"hq-rephrase": 550, "qa-rephrase": 550, "textbook": 450}
"""Tokens that an answer of each recipe has on average (arXiv 2510.01631, appendix A.1.2)."""


class DocumentsConfig(FrozenModel):
    """The documents that prompts are made from."""

    documents: str | list[str]
    """URL of a file or folder with documents, or several: Parquet, JSON Lines, CSV or Arrow (docs/data.md)."""
    column: str = "text"
    """Column with the text."""
    id_column: str = "id"
    """Column with a document's name, taken where it is there; else its file and row name it."""
    max_chars: int = Field(default=8000, gt=0)
    """Most characters of a document that stand in a prompt, some 2,000 tokens of English. A longer one is cut there, and its
    row says so."""
    first: int | None = Field(default=None, gt=0)
    """Take the first so many documents alone, to try a configuration. None: all."""
    storage: StorageConfig = StorageConfig()
    """How the URLs above and the output are opened."""

    @field_validator("documents")
    @classmethod
    def _not_blank(cls, given: str | list[str]) -> str | list[str]:
        urls = [given] if isinstance(given, str) else given
        if not urls or not all(url.strip() for url in urls):
            raise ValueError("expected a URL or folder, found an empty string")
        return given

    @property
    def urls(self) -> list[str]:
        """The URLs, in order."""
        return [self.documents] if isinstance(self.documents, str) else list(self.documents)


class SynthesisConfig(FrozenModel):
    """Everything that `mixval synthesize` needs."""

    source: DocumentsConfig
    """The documents that prompts are made from."""
    output: str
    """URL under which the journal and the runs with their rows are written."""
    recipe: Recipe
    """`hq-rephrase`: an article of the same content. `qa-rephrase`: questions and answers. `textbook`: an outline for one of
    four audiences, then chapters."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """Step -> URL of a prompt template in the place of the shipped one. Steps are `rephrase`, or `outline` and `chapter`."""
    audiences: list[Audience] = Field(default_factory=lambda: list(AUDIENCES), min_length=1)
    """Audiences of textbooks; each document's is drawn from them."""
    chapters: int = Field(default=10, ge=1, le=10)
    """Chapters of a textbook that are written, of the ten that its outline has."""
    generator: Annotated[TransformersGeneratorConfig | ServerGeneratorConfig, Field(discriminator="kind")]
    """What answers the prompts."""
    sampling: SamplingConfig = SamplingConfig()
    """How the generator draws."""
    filters: FiltersConfig = FiltersConfig()
    """Which answers are dropped."""
    runtime: RuntimeConfig = RuntimeConfig()
    """Cluster, workers and memory. A server is asked from the run's own process and takes no cluster."""
    seed: int = Field(default=0, ge=0)
    """Seed of all random draws."""

    @property
    def steps(self) -> tuple[str, ...]:
        """Steps of the recipe, in order."""
        return STEPS[self.recipe]

    @property
    def outputs_a_document(self) -> int:
        """Rows that are planned for each document."""
        return self.chapters if "chapter" in self.steps else 1

    @property
    def target_tokens(self) -> int:
        """Tokens that an answer should have."""
        return self.filters.target_tokens or TARGET_TOKENS[self.recipe]

    @model_validator(mode="after")
    def _prompts_are_of_steps(self) -> SynthesisConfig:
        if unknown := sorted(set(self.prompts) - set(self.steps)):
            raise ValueError(
                f"`prompts`: the recipe {self.recipe} has the steps {', '.join(self.steps)}, found {', '.join(unknown)}"
            )
        return self
