"""Rows for methods without a backbone: class labels, texts, TF-IDF vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mixval.config.tasks import Task, spec_of
from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.grouping import runs
from mixval.models.backbone import Backbone
from mixval.models.rows import class_indices, prompts, strings

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


def n_classes(backbone: Backbone) -> int:
    """Classes that the backbone has outputs for."""
    settings: Any = backbone.module.config
    return int(settings.num_labels)


def class_labels(backbone: Backbone, rows: pa.Table) -> np.ndarray:  # (N,) int64
    """Class index of each row."""
    return class_indices(rows, backbone.classes, n_classes(backbone))


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
