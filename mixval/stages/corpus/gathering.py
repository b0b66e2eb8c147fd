"""Counts of every corpus and target: listing, tokenizer, contexts, shards, sums."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mixval.config.backbone import BackboneConfig
from mixval.config.source import SourceConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.plan import ShardRef, content_digest
from mixval.contracts.record import ArtifactRef
from mixval.contracts.sealed import content_sha256
from mixval.corpus.counts import CorpusCounts, summed
from mixval.corpus.transitions import N_CONTEXTS
from mixval.errors import ConfigError, MixvalError, NobodyAdmittedError, TargetError
from mixval.models.token_stream import TokenStream
from mixval.models.tokenizers import train_tokenizer
from mixval.progress import current
from mixval.stages.corpus.counting import CountJob, added, read_counts
from mixval.stages.corpus.pool import counted
from mixval.stages.corpus.request import CorpusRequest, definition
from mixval.storage.commit import ArtifactStore
from mixval.storage.listing import list_contributors, list_target
from mixval.storage.root import open_location
from mixval.storage.shards import stream_rows

TOKENIZER, DEFINITION = "corpus-tokenizer", "tokenizer.json"
TRAINED_TOKENS = 8192
"""Of the vocabulary that is trained on the first target where no tokenizer is named."""
TRAINED_CHARS = 20_000_000
"""Characters of the target that it is trained on, at the most."""


@dataclass
class Corpus:
    """One corpus' counts by part."""

    name: str
    is_target: bool
    digest: str
    parts: dict[str, CorpusCounts] = field(default_factory=dict)
    n_skipped: int = 0
    """Rows without a text, or of an unknown kind of origin."""

    def whole(self) -> CorpusCounts:
        """All parts together."""
        return summed(list(self.parts.values()))


@dataclass(frozen=True)
class Gathered:
    """What the statistics are made from."""

    store: ArtifactStore
    stream: TokenStream
    definition: str
    corpora: list[Corpus]
    targets: list[Corpus]
    target_shards: list[list[ShardRef]]
    failed: dict[str, str]
    """Corpus -> why it could not be counted."""


@dataclass(frozen=True)
class _Listed:
    name: str
    shards: list[ShardRef]
    source: SourceConfig


def gather(request: CorpusRequest) -> Gathered:
    """Everything counted; shards that were counted before are not read again.

    Raises:
        TargetError: a target cannot be read.
        NobodyAdmittedError: no corpus could be counted.
    """
    targets = [
        _Listed(name, list_target(source), source.model_copy(update={"origin": "real"})) for name, source in request.targets
    ]
    corpora = _listed(request)
    store = ArtifactStore(open_location(request.output, targets[0].source.storage))
    first_target = targets[0]
    tokenizer = tokenizer_ref(store, request.backbone, first_target.shards, first_target.source, request.task)
    text = store.read_document(tokenizer, DEFINITION).decode()
    stream = TokenStream(text)
    first, failed = _counts(store, targets[:1], request, text, ())
    _require_targets(first, failed)
    contexts = tuple(int(one) for one in np.argsort(-first[0].whole().without(None).unigrams, kind="stable")[:N_CONTEXTS])
    counted_targets, failed = _counts(store, targets, request, text, contexts)
    _require_targets(counted_targets, failed)
    found, failed = _counts(store, corpora, request, text, contexts)
    if not found:
        words = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:3])
        raise NobodyAdmittedError(f"expected a contributor whose texts can be counted, found none: {words}")
    for one in counted_targets:
        one.is_target = True
    return Gathered(store, stream, text, found, counted_targets, [one.shards for one in targets], failed)


def _listed(request: CorpusRequest) -> list[_Listed]:
    found = []
    for name, source in request.corpora:
        for own, shards in list_contributors(source).items():
            found.append(_Listed(own if not name or own == name else f"{name}: {own}", shards, source))
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"expected a name of its own for each contributor, found {twice[0]!r} twice. Give it as NAME=URL.")
    return found


def _require_targets(found: Sequence[Corpus], failed: dict[str, str]) -> None:
    for name, why in failed.items():
        raise TargetError(f"target {name}: {why}")
    if empty := [one.name for one in found if not one.parts or not one.whole().n_tokens]:
        raise TargetError(f"target {empty[0]}: expected texts with tokens, found none. Check --target.")


def tokenizer_ref(
    store: ArtifactStore, backbone: BackboneConfig | None, shards: Sequence[ShardRef], source: SourceConfig, task: Task
) -> ArtifactRef:
    """The definition of a backbone's tokenizer, committed; without a backbone, of one that is trained on these shards."""
    if backbone is None:
        return _trained(store, shards, source, task)
    text = definition(backbone).encode()
    key = {"definition": content_sha256(text)}
    ref = store.ref(TOKENIZER, 1, **key)
    if store.committed(ref) is None:
        store.commit(ref, inputs=key, documents={DEFINITION: text})
    return ref


def _trained(store: ArtifactStore, shards: Sequence[ShardRef], source: SourceConfig, task: Task) -> ArtifactRef:
    column = spec_of(task).content
    key = {"target": content_digest(list(shards)), "columns": source.columns, "content": column}
    ref = store.ref(TOKENIZER, 1, **key, size=TRAINED_TOKENS, chars=TRAINED_CHARS)
    if store.committed(ref) is not None:
        return ref
    with tempfile.TemporaryDirectory() as folder:
        train_tokenizer(_texts(shards, source, task, TRAINED_CHARS), TRAINED_TOKENS, folder)
        text = (Path(folder) / DEFINITION).read_bytes()
    store.commit(ref, inputs=key, documents={DEFINITION: text})
    return ref


def _texts(shards: Sequence[ShardRef], source: SourceConfig, task: Task, most_chars: int) -> Iterator[str]:
    held = 0
    column = spec_of(task).content
    for batch in stream_rows(shards, source, task, columns=[column]):
        for text in batch.table.column(column).to_pylist():
            if text:
                yield text
                held += len(text)
        if held > most_chars:
            return


def _counts(
    store: ArtifactStore, listed: Sequence[_Listed], request: CorpusRequest, text: str, contexts: tuple[int, ...]
) -> tuple[list[Corpus], dict[str, str]]:
    """Counts by corpus, and why there are none of others."""
    found = {one.name: Corpus(one.name, False, content_digest(one.shards)) for one in listed}
    failed: dict[str, str] = {}
    jobs: list[CountJob] = []
    owners: list[str] = []
    for one in listed:
        if problems := [shard.problem for shard in one.shards if shard.problem is not None]:
            failed[one.name] = str(problems[0])
            continue
        if not one.shards:
            failed[one.name] = "expected a data file, found none"
        jobs += [CountJob(shard, one.source, request.task, request.finds_origin, contexts) for shard in one.shards]
        owners += [one.name] * len(one.shards)
    current().begin("count", len(jobs))
    for at, outcome in counted(store, jobs, text, request.n_workers):
        name = owners[at]
        current().step("count", f"{name}: {jobs[at].shard.name}")
        if isinstance(outcome, MixvalError):
            failed.setdefault(name, str(outcome))
            continue
        found[name].parts = added(found[name].parts, read_counts(store, outcome))
        record = store.committed(outcome)
        found[name].n_skipped += 0 if record is None else int(record.numbers.get("n_skipped") or 0)
    current().end("count", "")
    for name, counts in found.items():
        if name not in failed and not counts.parts:
            failed[name] = "expected rows with a text, found none"
    return [counts for name, counts in found.items() if name not in failed], failed
