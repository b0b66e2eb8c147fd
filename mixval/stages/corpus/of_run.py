"""How the tokens of a run's contributors differ from T's: a step a contributor, whose shards are counted side by side.

The target is counted first, by one step; then each contributor by another, whose pieces are its shards. So counting is done by
whoever does the run's other work, and what was counted before is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.config.source import SourceConfig
from mixval.config.tasks import Task
from mixval.config.valuation import ValuationConfig
from mixval.contracts.corpora import CORPORA, ESTIMATES
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.contracts.plan import ShardRef, content_digest
from mixval.contracts.record import ArtifactRef
from mixval.contracts.truncation import Reference
from mixval.corpus.counts import CorpusCounts, summed
from mixval.corpus.distance import distances, kl_floor
from mixval.corpus.gaps import gaps
from mixval.corpus.jackknife import estimates
from mixval.corpus.stored import from_arrays, to_arrays
from mixval.corpus.support import corpus_statistics, distinct_at
from mixval.corpus.transitions import N_CONTEXTS
from mixval.errors import TargetError
from mixval.models.token_stream import TokenStream
from mixval.seeds import generator
from mixval.stages.corpus.counting import CountJob, added, count_shard, read_counts
from mixval.stages.corpus.gathering import DEFINITION, tokenizer_ref
from mixval.stages.corpus.request import request_of
from mixval.stages.jobs import MeasureJob
from mixval.stages.steps import Step, Work, one_call
from mixval.stages.truncation_rows import truncation_rows
from mixval.storage.commit import ArtifactStore

VERSION = 2
"""Raised whenever the same counts give other numbers."""
KIND = "corpus"
DOCUMENT = "corpus.json"
EQUAL_TOKENS = 20_000
"""Tokens at which distinct ones of all contributors are compared."""
MOST_ROWS = 1_000_000
"""Rows of a contributor that are counted: its first shards that have as many together, or its first one."""
MOST_GAPS = 5
TRUNCATED = "truncation"


@dataclass(frozen=True)
class TargetTokens:
    """What is counted of T."""

    name: str
    shards: tuple[ShardRef, ...]
    source: SourceConfig
    task: Task
    store: ArtifactStore
    tokenizer: ArtifactRef

    @property
    def ref(self) -> ArtifactRef:
        """Where its counts are committed."""
        return self.store.ref("corpus-target", VERSION, **self._key())

    def definition(self) -> str:
        """The tokenizer's."""
        return self.store.read_document(self.tokenizer, DEFINITION).decode()

    def count_job(self, shard: ShardRef, contexts: Sequence[int]) -> CountJob:
        """What one of its shards is counted for."""
        return CountJob(shard, self.source, self.task, False, tuple(contexts))

    def _key(self) -> dict[str, Any]:
        key = {"content": content_digest(list(self.shards)), "columns": self.source.columns, "origin": self.source.origin}
        return key | self.source.naming_key() | {"tokenizer": self.tokenizer.fingerprint, "task": self.task}


@dataclass(frozen=True)
class ContributorTokens(TargetTokens):
    """What is counted of a contributor, and compared with T."""

    target: ArtifactRef
    """T's counts."""
    most_seconds: float | None

    @property
    def ref(self) -> ArtifactRef:
        """Where its numbers are committed."""
        return self.store.ref(KIND, VERSION, **self._key(), target=self.target.fingerprint, equal=EQUAL_TOKENS)

    def contexts(self) -> list[int]:
        """T's most frequent tokens, whose followers are counted."""
        return [int(one) for one in self.store.read_tensors(self.target)["contexts"]]


def target_tokens(config: ValuationConfig, target: MeasureJob) -> TargetTokens:
    """The job of T, for the tokenizer of the run's model, or one that is trained on T. Raises ConfigError or ModelError where
    it cannot be had."""
    source = config.source.model_copy(update={"origin": "real"})
    shards = target.contributor.shards
    backbone = request_of(config).backbone
    tokenizer = tokenizer_ref(target.store, backbone, shards, source, config.task)
    return TargetTokens("target", tuple(shards), source, config.task, target.store, tokenizer)


def contributor_tokens(target: TargetTokens, job: MeasureJob) -> ContributorTokens:
    """The job of a contributor."""
    chosen, n_rows = list[ShardRef](), 0
    for shard in job.contributor.shards:
        if chosen and n_rows + shard.n_rows > MOST_ROWS:
            break
        chosen.append(shard)
        n_rows += shard.n_rows
    one = job.contributor
    where = (target.store, target.tokenizer, target.ref, one.most_seconds)
    return ContributorTokens(one.name, tuple(chosen), job.source, job.task, *where)


def target_step(job: TargetTokens) -> Step:
    """The step that commits T's counts."""
    return one_call(f"corpus {job.name}", job.store, job.ref, commit_target, job)


def contributor_step(job: ContributorTokens, target: Step) -> Step:
    """The step that commits a contributor's numbers."""
    work = Work(commit_contributor, (job,), count_piece, [(job, at) for at in range(len(job.shards))])
    return Step(f"corpus {job.name}", job.store, job.ref, lambda: work, reads=lambda: [target], most_seconds=job.most_seconds)


def commit_target(job: TargetTokens) -> ArtifactRef:
    """T's counts, for the contexts that are its most frequent tokens. Raises TargetError where it has no tokens."""
    if job.store.committed(job.ref) is not None:
        return job.ref
    first = _counts(job, ())
    frequent = np.argsort(-summed(list(first.values())).without(None).unigrams, kind="stable") if first else np.zeros(0, int)
    parts = _counts(job, frequent[:N_CONTEXTS].tolist())
    if not parts or not (whole := summed(list(parts.values()))).n_tokens:
        raise TargetError("target: expected texts with tokens, found none. Check source.target.")
    job.store.commit(job.ref, inputs={"shards": [shard.url for shard in job.shards]}, tensors=to_arrays(whole))
    return job.ref


def count_piece(job: ContributorTokens, at: int) -> ArtifactRef:
    """Commit the counts of one of its shards."""
    return count_shard(job.store, job.count_job(job.shards[at], job.contexts()), job.definition())


def commit_contributor(job: ContributorTokens) -> ArtifactRef:
    """A contributor's numbers, from its shards' counts and T's."""
    if job.store.committed(job.ref) is None:
        parts = _counts(job, job.contexts())
        found = described(job, parts) if parts else {}
        document = json.dumps(found, sort_keys=True).encode()
        inputs = {"shards": [shard.url for shard in job.shards], "contributor": job.name}
        job.store.commit(job.ref, inputs=inputs, documents={DOCUMENT: document})
    return job.ref


def described(job: ContributorTokens, parts: Mapping[str, CorpusCounts]) -> dict[str, Any]:
    """The columns of `CORPORA` that follow from the counts of its parts, in JSON values; and under `TRUNCATED` where the
    synthetic part stops."""
    counts, of_target = summed(list(parts.values())), from_arrays(job.store.read_tensors(job.target)).unigrams
    aim = of_target.sum(axis=0)
    found = estimates(
        counts,
        lambda one: {**corpus_statistics(one), **distinct_at(one, EQUAL_TOKENS), **distances(one, aim)},
    )
    lacking = gaps(aim, counts.without(None).unigrams, MOST_GAPS)
    stream = TokenStream(job.definition())
    columns: dict[str, Any] = {
        "n_documents": counts.n_documents,
        "n_tokens": counts.n_tokens,
        "kl_of_size": _number(
            kl_floor(aim, counts.n_tokens, generator("kl-floor", job.target.fingerprint, job.ref.fingerprint))
        ),
        "n_gaps": lacking.n_gaps,
        "gaps_loss_share": _number(lacking.loss_share),
        "gaps": [stream.spelling([gap.token]) for gap in lacking.largest],
        TRUNCATED: _truncated(parts, of_target),
    }
    for name in ESTIMATES:
        one = found[name]
        columns |= {name: _number(one.value), f"{name}_low": _number(one.low), f"{name}_high": _number(one.high)}
    return columns


def corpora_table(jobs: Sequence[ContributorTokens]) -> pa.Table:
    """Schema `CORPORA`, in this order; contributors without a text have no row."""
    read = {job.name: job.store.read_json(job.ref, DOCUMENT) for job in jobs}
    rows: list[Mapping[str, Any]] = [{"contributor": name, **found} for name, found in read.items() if found]
    return pa.Table.from_pylist(rows, schema=CORPORA)


def token_truncations(jobs: Sequence[ContributorTokens]) -> dict[str, list[dict[str, Any]]]:
    """By contributor where its synthetic part stops, rows of `TRUNCATION` without the contributor."""
    read = {job.name: job.store.read_json(job.ref, DOCUMENT) for job in jobs}
    return {name: found[TRUNCATED] for name, found in read.items() if found}


def _truncated(parts: Mapping[str, CorpusCounts], target: np.ndarray) -> list[dict[str, Any]]:
    if SYNTHETIC not in parts:
        return []
    references: dict[Reference, np.ndarray] = {"target": target}
    if REAL in parts:
        references["real"] = parts[REAL].unigrams
    return truncation_rows("tokens", parts[SYNTHETIC].unigrams, references)


def _counts(job: TargetTokens, contexts: Sequence[int]) -> dict[str, CorpusCounts]:
    """The counts of all its shards by part; empty without a text."""
    text, total = job.definition(), dict[str, CorpusCounts]()
    for shard in job.shards:
        total = added(total, read_counts(job.store, count_shard(job.store, job.count_job(shard, contexts), text)))
    return total


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
