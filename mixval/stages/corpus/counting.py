"""One shard's counts, by the origin of its rows, committed under what they depend on: the shard's digest and the tokenizer."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from mixval.config.source import SourceConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.parts import PARTS
from mixval.contracts.plan import ShardRef
from mixval.contracts.record import ArtifactRef
from mixval.contracts.sealed import content_sha256
from mixval.corpus.counts import VERSION, CorpusCounts, summed
from mixval.corpus.documents import Blocks, documents_of
from mixval.corpus.stored import from_arrays, to_arrays
from mixval.models.token_stream import TokenStream
from mixval.storage.commit import ArtifactStore
from mixval.storage.formats import open_shard
from mixval.storage.shards import stream_rows

KIND = "corpus-counts"
SAMPLED_DOCUMENTS = 4000
"""Documents of a shard, in expectation, of which the costlier counts are made."""
UNLABELLED = "unlabelled"
"""The part of rows whose origin nobody says."""


@dataclass(frozen=True)
class CountJob:
    """What one shard's counts are made from."""

    shard: ShardRef
    source: SourceConfig
    task: Task
    finds_origin: bool
    contexts: tuple[int, ...]
    """Ids whose followers are counted."""


def counts_ref(store: ArtifactStore, job: CountJob, tokenizer: str) -> ArtifactRef:
    """Where the shard's counts are, or will be, committed. `tokenizer` is a digest of its definition."""
    return store.ref(
        KIND,
        VERSION,
        shard=[job.shard.digest, job.shard.version, job.shard.rows_of],
        **job.source.naming_key(),
        columns=job.source.columns,
        origin=[job.source.origin, job.finds_origin],
        max_cell_bytes=job.source.storage.max_cell_bytes,
        content=spec_of(job.task).content,
        contexts=list(job.contexts),
        tokenizer=tokenizer,
        sampled=SAMPLED_DOCUMENTS,
    )


def count_shard(store: ArtifactStore, job: CountJob, definition: str) -> ArtifactRef:
    """The shard's counts, committed. Raises as `stream_rows` does."""
    ref = counts_ref(store, job, content_sha256(definition.encode()))
    if store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    parts, n_skipped = _counted(job, TokenStream(definition))
    arrays = {f"{part}/{name}": array for part, one in sorted(parts.items()) for name, array in to_arrays(one).items()}
    store.commit(
        ref,
        inputs={"shard": job.shard.url, "rows_of": job.shard.rows_of},
        tensors=arrays or {"none": np.zeros(1, np.int64)},
        numbers={"n_skipped": n_skipped},
        seconds=time.perf_counter() - started,
    )
    return ref


def read_counts(store: ArtifactStore, ref: ArtifactRef) -> dict[str, CorpusCounts]:
    """Part -> counts of a shard. A shard without rows has none."""
    arrays = store.read_tensors(ref)
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        part, slash, field = name.partition("/")
        if slash:
            parts.setdefault(part, {})[field] = array
    return {part: from_arrays(held) for part, held in parts.items()}


def added(totals: dict[str, CorpusCounts], more: dict[str, CorpusCounts]) -> dict[str, CorpusCounts]:
    """The parts of both together."""
    return totals | {part: summed([totals[part], one]) if part in totals else one for part, one in more.items()}


def _counted(job: CountJob, stream: TokenStream) -> tuple[dict[str, CorpusCounts], int]:
    source, is_labelled = _with_origin(job)
    column = spec_of(job.task).content
    share = min(1.0, SAMPLED_DOCUMENTS / max(1, job.shard.n_rows))
    parts: dict[str, CorpusCounts] = {}
    blocks: dict[str, Blocks] = {}
    n_skipped = 0
    for batch in stream_rows([job.shard], source, job.task, columns=[column]):
        texts = batch.table.column(column).to_pylist()
        origins = batch.table.column("origin").to_pylist() if is_labelled else [UNLABELLED] * len(texts)
        for part in PARTS if is_labelled else (UNLABELLED,):
            own = [text for text, origin in zip(texts, origins, strict=True) if text and origin == part]
            n_skipped -= len(own)
            if own and part not in parts:
                parts[part], blocks[part] = CorpusCounts(stream.size, np.array(job.contexts, np.int64)), Blocks()
            if own:
                _count(parts[part], blocks[part], own, stream, share)
        n_skipped += len(texts)
    return parts, n_skipped


def _count(counts: CorpusCounts, blocks: Blocks, texts: list[str], stream: TokenStream, share: float) -> None:
    for first, last, ids, lengths in stream.batches(texts):
        encoded = [text.encode() for text in texts[first:last]]
        documents = documents_of(encoded, ids, lengths, share)
        counts.add(documents)
        blocks.add(counts, encoded, documents)


def _with_origin(job: CountJob) -> tuple[SourceConfig, bool]:
    """The source as the shard is read, and whether it says its rows' origin."""
    if not job.finds_origin or job.source.origin != "column":
        return job.source, True
    with open_shard(job.shard, job.source.storage) as file:
        if str(job.source.columns.get("origin", "origin")) in file.schema.names:
            return job.source, True
    return job.source.model_copy(update={"origin": "real"}), False
