"""Rows for methods without a backbone: class labels, outlines of images, texts, TF-IDF vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mixval.config.tasks import Task, spec_of
from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.grouping import runs
from mixval.evidence.baselines.hog import hog
from mixval.models.backbone import Backbone
from mixval.models.images import read_images
from mixval.models.rows import class_indices, prompts, strings
from mixval.stages.rows import in_batches
from mixval.terms.arrays import Floats

OUTLINED, CELL = 32, 8
"""Pixels on a side, of images and of their cells."""
OUTLINED_ROWS = 64
"""At a time: 10 MB of floats each way."""
_WORDS = re.compile(r"\w+|[^\w\s]")


class Document(NamedTuple):
    """A row's text."""

    context: str
    """What is given: the prompt. Empty where all is to be learnt."""
    content: str
    """What is to be learnt."""

    def words(self) -> tuple[list[str], int]:
        """All words and marks in lower case, and how many of them, at the end, are content."""
        content = _WORDS.findall(self.content.lower())
        return [*_WORDS.findall(self.context.lower()), *content], len(content)

    def characters(self) -> tuple[list[str], int]:
        """The same of characters as they are written, context and content on lines of their own."""
        context = f"{self.context}\n" if self.context else ""
        return [*context, *self.content], len(self.content)


def n_classes(backbone: Backbone) -> int:
    """Classes that the backbone has outputs for."""
    settings: Any = backbone.module.config
    return int(settings.num_labels)


def class_labels(backbone: Backbone, rows: pa.Table) -> np.ndarray:  # (N,) int64
    """Class index of each row."""
    return class_indices(rows, backbone.classes, n_classes(backbone))


def outlines(rows: pa.Table) -> Floats:
    """(N, F) HOG features of images, each brought to `OUTLINED` pixels a side, in cells of `CELL`."""
    batches = in_batches(rows, OUTLINED_ROWS)
    return np.concatenate([hog(read_images(one, 3, OUTLINED).permute(0, 2, 3, 1).double().numpy(), CELL) for one in batches])


def documents(rows: pa.Table, task: Task) -> list[Document]:
    """(N,) texts; of a conversation, the contents of its messages."""
    if not spec_of(task).has_prompt:
        return [Document("", text) for text in strings(rows, "text")]
    contexts = [
        prompt if isinstance(prompt, str) else "\n".join(message["content"] or "" for message in prompt)
        for prompt in prompts(rows)
    ]
    return [Document(context, content) for context, content in zip(contexts, strings(rows, "response"), strict=True)]


def tf_idf(tables: Sequence[Sequence[Document]]) -> list[Any]:
    """(N, V) sparse TF-IDF vectors of length 1, of each table, over words and pairs of words of all of them (no labels)."""
    text = optional("sklearn.feature_extraction.text")
    vectors = text.TfidfVectorizer(
        tokenizer=lambda document: document.words()[0],
        preprocessor=lambda document: document,
        token_pattern=None,
        ngram_range=(1, 2),
        sublinear_tf=True,
    )
    whole = vectors.fit_transform([document for table in tables for document in table])
    return [whole[own] for own in runs([len(table) for table in tables])]
