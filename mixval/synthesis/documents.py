"""Documents as prompts take them, read in order from shards of any format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from mixval.config.source import SourceConfig
from mixval.config.synthesis import DocumentsConfig
from mixval.config.tasks import Task
from mixval.contracts.plan import ShardRef
from mixval.errors import TargetError
from mixval.storage.listing import list_target
from mixval.storage.shards import stream_rows

TASK: Task = "language-modelling"
"""Documents are rows with a text."""
CHUNK = 1024
"""Documents that are asked about, and written, at a time."""


@dataclass(frozen=True)
class Document:
    """One document."""

    id: str
    """Its own name, or its file's name and row."""
    text: str
    """As far as prompts have it. Empty where there is none."""
    digest: str
    """SHA-256 of that text."""
    is_cut: bool
    """Whether it goes on."""


def list_documents(config: DocumentsConfig) -> list[tuple[SourceConfig, list[ShardRef]]]:
    """The shards of each URL. Raises TargetError for a URL without a readable one."""
    sources = [_source(config, url) for url in config.urls]
    found = [(source, list_target(source)) for source in sources]
    for _, shards in found:
        if (bad := next((shard for shard in shards if shard.problem is not None), None)) is not None:
            raise TargetError(f"{bad.url}: expected documents, found a file that cannot be read: {bad.problem}.")
    return found


def read_documents(config: DocumentsConfig, listed: Sequence[tuple[SourceConfig, list[ShardRef]]]) -> Iterator[Document]:
    """The documents, in order, one after the other. Raises as `stream_rows` does."""
    return islice(_all(config, listed), config.first)


def in_chunks(documents: Iterator[Document], size: int = CHUNK) -> Iterator[tuple[Document, ...]]:
    """The same documents, some at a time."""
    while chunk := tuple(islice(documents, size)):
        yield chunk


def count_documents(config: DocumentsConfig, listed: Sequence[tuple[SourceConfig, list[ShardRef]]]) -> int:
    """How many there are, by the shards' own word."""
    n = sum(shard.n_rows for _, shards in listed for shard in shards)
    return n if config.first is None else min(n, config.first)


def _all(config: DocumentsConfig, listed: Sequence[tuple[SourceConfig, list[ShardRef]]]) -> Iterator[Document]:
    for source, shards in listed:
        for batch in stream_rows(shards, source, TASK, columns=("text",)):
            texts = batch.table.column("text").to_pylist()
            ids = batch.table.column("id").to_pylist() if "id" in batch.table.column_names else [None] * len(texts)
            shard = shards[batch.shard_index].name
            for at, (text, own) in enumerate(zip(texts, ids, strict=True)):
                yield _document(own or f"{shard}:{batch.row_offset + at}", text or "", config.max_chars)


def _document(name: str, whole: str, max_chars: int) -> Document:
    text = whole[:max_chars].strip()
    return Document(name, text, hashlib.sha256(text.encode()).hexdigest(), len(whole) > max_chars)


def _source(config: DocumentsConfig, url: str) -> SourceConfig:
    columns: dict[str, str | list[str]] = {"text": config.column, "id": config.id_column}
    return SourceConfig(contributors=url, target=url, columns=columns, origin="real", storage=config.storage)
