"""Texts as streams of tokens: every document with the tokenizer's marks before and after it, one after the other.

An artifact of kind `study-tokens`, named by files, column and tokenizer. Documents are put into one order by chance, the same
whenever the texts are: neighbours in a file, such as passages of one book, are no neighbours in a sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.config.backbone import BackboneConfig, RandomInitConfig
from mixval.config.base import FrozenModel
from mixval.config.source import SourceConfig, StorageConfig
from mixval.config.tasks import Task
from mixval.contracts.plan import ShardRef
from mixval.contracts.record import ArtifactRef
from mixval.errors import ChangedFileError, ContractError, StorageError
from mixval.models import tokenise
from mixval.models.identity import tokenizer_identity
from mixval.models.tokenise import Tokeniser
from mixval.models.tokenizers import load_tokenizer
from mixval.seeds import generator
from mixval.storage.commit import ArtifactStore
from mixval.storage.root import open_location
from mixval.storage.shards import list_shards, stream_rows

KIND, VERSION = "study-tokens", 1
"""The version is raised whenever texts give another stream."""
TASK: Task = "language-modelling"
UNCUT = 1 << 40
"""Tokens to which a document is cut: none."""


class TextJob(FrozenModel):
    """Texts that become one stream: small enough to travel."""

    name: str
    """In messages; not part of the fingerprint."""
    urls: list[str]
    column: str
    storage: StorageConfig
    tokenizer: str
    output: str
    first: int | None = None
    """Documents that are taken. None: all."""

    @property
    def store(self) -> ArtifactStore:
        """Where the stream is committed."""
        return ArtifactStore(open_location(self.output, self.storage))

    @property
    def backbone(self) -> BackboneConfig:
        """What names the tokenizer."""
        return BackboneConfig(random_init=RandomInitConfig(architecture="llama"), tokenizer=self.tokenizer)


@dataclass(frozen=True)
class Stream:
    """Tokens of documents, and where each begins."""

    tokens: np.ndarray  # (n,) uint32
    starts: np.ndarray  # (documents,) int64

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each document."""
        return np.diff(np.append(self.starts, len(self.tokens)))


def list_texts(job: TextJob) -> list[tuple[SourceConfig, list[ShardRef]]]:
    """The files of each URL. Raises StorageError for a URL without files, ContractError for a file that cannot be read."""
    found = []
    for url in job.urls:
        source = SourceConfig(contributors=url, target=url, columns={"text": job.column}, origin="real", storage=job.storage)
        shards = list_shards(open_location(url, job.storage))
        if not shards:
            raise StorageError(f"{url}: expected a file or folder with documents, found none. Check the URL of {job.name!r}.")
        if (bad := next((shard for shard in shards if shard.problem is not None), None)) is not None:
            raise ContractError(f"{bad.url}: expected documents, found a file that cannot be read: {bad.problem}. Mend it.")
        found.append((source, shards))
    return found


def stream_ref(job: TextJob) -> ArtifactRef:
    """Where the stream is, or will be, committed."""
    return job.store.ref(KIND, VERSION, **_inputs(job))


def make_stream(job: TextJob, expected: ArtifactRef) -> ArtifactRef:
    """Commit `tokens` and `starts`. Raises ContractError for texts without a document, ChangedFileError for other files."""
    inputs = _inputs(job)
    if (ref := job.store.ref(KIND, VERSION, **inputs)) != expected:
        raise ChangedFileError(f"{job.name}: expected the files that the run began with, found others. Run the study again.")
    if job.store.committed(ref) is not None:
        return ref
    tokeniser = Tokeniser(load_tokenizer(job.backbone, TASK))
    ids = [found for batch in _texts(job) for found in marked(tokeniser, batch)]
    if not ids:
        raise ContractError(f"{job.name}: expected documents with a text in column {job.column!r}, found none. Add some.")
    order = generator("study", "documents", len(ids)).permutation(len(ids))
    tokens = np.concatenate([np.array(ids[at], dtype=np.uint32) for at in order])
    lengths = np.array([len(ids[at]) for at in order], dtype=np.int64)
    numbers = {"n_tokens": len(tokens), "n_documents": len(ids)}
    held = {"tokens": tokens, "starts": np.cumsum(lengths) - lengths}
    return job.store.commit(ref, inputs=inputs, tensors=held, numbers=numbers)


def read_stream(store: ArtifactStore, ref: ArtifactRef) -> Stream:
    """The committed stream. Raises LostArtifactError where it is missing or damaged."""
    held = store.read_tensors(ref)
    return Stream(held["tokens"], held["starts"])


def n_tokens(store: ArtifactStore, ref: ArtifactRef) -> int:
    """Of the committed stream; 0 where it is not committed."""
    record = store.committed(ref)
    return 0 if record is None else int(record.numbers["n_tokens"] or 0)


def vocabulary_size(job: TextJob) -> int:
    """Ids that the tokenizer gives."""
    return len(load_tokenizer(job.backbone, TASK))


def sampled_tokens(job: TextJob, most: int) -> float:
    """About how many tokens there are, from the first `most` documents."""
    tokeniser = Tokeniser(load_tokenizer(job.backbone, TASK))
    read, tokens = 0, 0
    for batch in _texts(job):
        taken = batch[: most - read]
        read, tokens = read + len(taken), tokens + sum(len(one) for one in marked(tokeniser, taken))
        if read >= most:
            break
    n_rows = sum(shard.n_rows for _, shards in list_texts(job) for shard in shards)
    return tokens / max(read, 1) * (n_rows if job.first is None else min(n_rows, job.first))


def marked(tokeniser: Tokeniser, texts: Sequence[str]) -> Iterator[list[int]]:
    """Ids of each text with BOS before and EOS after it, as far as the tokenizer has them. Blank texts are left out."""
    kept = [text for text in texts if text.strip()]
    if not kept:
        return
    first, last = (getattr(tokeniser.tokenizer, f"{mark}_token_id") for mark in ("bos", "eos"))
    for row in tokeniser.texts(pa.table({"text": kept}), UNCUT):
        ids = row.ids
        before = [] if first is None or ids[:1] == [first] else [first]
        after = [] if last is None or ids[-1:] == [last] else [last]
        yield [*before, *ids, *after]


def _texts(job: TextJob) -> Iterator[list[str]]:
    left = job.first
    for source, shards in list_texts(job):
        for batch in stream_rows(shards, source, TASK, columns=("text",)):
            texts = [text or "" for text in batch.table.column("text").to_pylist()][:left]
            left = None if left is None else left - len(texts)
            yield texts
            if left == 0:
                return


def _inputs(job: TextJob) -> dict[str, Any]:
    return {
        "files": [[shard.digest for shard in shards] for _, shards in list_texts(job)],
        "column": job.column,
        "tokenizer": tokenizer_identity(job.backbone),
        "tokens": tokenise.VERSION,
        "first": job.first,
    }
