"""Which answers of a generator are dropped. Dropped rows are written to a table with their reason."""

from __future__ import annotations

from pydantic import Field

from mixval.config.base import FrozenModel


class FiltersConfig(FrozenModel):
    """Limits of answers. The first that an answer breaks, in the order below, is its reason."""

    cut: bool = True
    """Whether answers that were cut by `sampling.max_tokens` are dropped."""
    min_tokens: int = Field(default=50, ge=0)
    """Fewest tokens of an answer (words, where the server does not count tokens)."""
    target_tokens: int | None = Field(default=None, gt=0)
    """Tokens that an answer should have. None: as published for the recipe, 550 (rephrased) or 450 (a chapter)."""
    max_times_target: float | None = Field(default=4.0, gt=0)
    """Most tokens of an answer, in multiples of the target. None: any length."""
    refusals: bool = True
    """Whether answers are dropped in which a model speaks of itself or refuses."""
    leakage_words: int | None = Field(default=8, gt=0)
    """An answer that repeats so many words of the prompt template in a row is dropped. None: it may."""
    min_question_pairs: int = Field(default=1, ge=0)
    """Fewest question-answer pairs of an answer to `qa-rephrase`, in which nothing else may stand. 0: any text."""
    max_source_similarity: float | None = Field(default=0.8, gt=0, le=1)
    """Most that an answer may have in common with its document: Jaccard similarity of runs of `shingle_words` words. None: it
    may be a copy."""
    max_similarity: float | None = Field(default=0.8, gt=0, le=1)
    """Most that an answer may have in common with another one that is kept, likewise. None: repeats may stay."""
    shingle_words: int = Field(default=5, gt=0)
    """Words of a run that two texts are compared by."""
    language: str | None = "en"
    """Language of answers, as ISO 639-1. None: any."""
    min_language_probability: float = Field(default=0.9, gt=0, le=1)
    """An answer is dropped when another language is at least so probable."""
