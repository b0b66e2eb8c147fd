"""The real share of contributors that do not say which of their rows are real."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mixval.config.source import SourceConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.parts import PARTS
from mixval.contracts.plan import ShardRef
from mixval.corpus.origin.scoring import LEAST_TEXTS, Scorer, fit_scorer
from mixval.corpus.origin.share import LEVEL, RealShare, real_share
from mixval.corpus.origin.tokens import WordShares
from mixval.errors import ConfigError, ContractError
from mixval.progress import current
from mixval.seeds import derive_seed, generator
from mixval.storage.listing import list_contributors
from mixval.storage.shards import stream_rows

MOST_KNOWN, MOST_TEXTS = 3000, 2000
"""Texts of each known class, and of a contributor, that are scored: those with the smallest digests."""


@dataclass(frozen=True)
class OriginRequest:
    """Contributors whose share is asked for, and rows whose origin is known."""

    contributors: tuple[tuple[str, SourceConfig], ...]
    real: tuple[tuple[str, SourceConfig], ...]
    synthetic: tuple[tuple[str, SourceConfig], ...]
    """Each source is a generator, or several by column."""
    task: Task = "language-modelling"
    seed: int = 0


def measure_origins(request: OriginRequest) -> dict[str, Any]:
    """A document with the share of each contributor. Raises ConfigError where too few rows of either class are known."""
    real = [text for _, texts in _texts(request.real, request, MOST_KNOWN) for text in texts]
    made = [(name, text) for name, texts in _texts(request.synthetic, request, MOST_KNOWN) for text in texts]
    for kind, n_known in zip(PARTS, (len(real), len(made)), strict=True):
        if n_known < LEAST_TEXTS:
            raise ConfigError(f"origin: expected {LEAST_TEXTS} texts that are known to be {kind}, found {n_known}. Name more.")
    real, made = _smallest(real, MOST_KNOWN), _evenly(made)
    synthetic = [text for _, text in made]
    scorer = fit_scorer(real, synthetic, [name for name, _ in made], derive_seed("origin", request.seed) % 2**32)
    words = WordShares(real, synthetic)
    known = {*real, *synthetic}
    found = []
    asked = _texts(request.contributors, request, MOST_TEXTS)
    current().begin("describe", len(asked))
    for name, texts in asked:
        found.append(_document(name, [text for text in texts if text not in known], scorer, words, request.seed))
        current().step("describe", name)
    current().end("describe", "")
    return {
        "level": LEVEL,
        "n_known_real": len(real),
        "n_known_synthetic": len(made),
        "generators": sorted({name for name, _ in made}),
        "separation": scorer.separation,
        "contributors": found,
    }


def _document(name: str, texts: list[str], scorer: Scorer, words: WordShares, seed: int) -> dict[str, Any]:
    share = real_share(scorer, scorer.scores(texts), generator("origin", name, seed)) if texts else None
    if share is None:
        share = RealShare(float("nan"), float("nan"), float("nan"), {}, "no text is there that is not among the known ones")
    told = share.is_told
    return {
        "name": name,
        "n_texts": len(texts),
        "real_share": share.value if told else None,
        "low": share.low if told else None,
        "high": share.high if told else None,
        "cannot_tell": share.reason or None,
        "by_words": words.real_share(texts) if texts else None,
        "fits": share.fits,
    }


def _texts(sources: Sequence[tuple[str, SourceConfig]], request: OriginRequest, most: int) -> list[tuple[str, list[str]]]:
    found = []
    for name, source in sources:
        for own, shards in list_contributors(source).items():
            found.append((own if not name or own == name else f"{name}: {own}", _sampled(shards, source, request.task, most)))
    return found


def _sampled(shards: Sequence[ShardRef], source: SourceConfig, task: Task, most: int) -> list[str]:
    """The distinct texts with the smallest digests."""
    if problems := [shard.problem for shard in shards if shard.problem is not None]:
        raise ContractError(str(problems[0]))
    column = spec_of(task).content
    held: dict[bytes, str] = {}
    for batch in stream_rows(shards, source.model_copy(update={"origin": "real"}), task, columns=[column]):
        held |= {_digest(text): text for text in batch.table.column(column).to_pylist() if text}
        if len(held) > 2 * most:
            held = {digest: held[digest] for digest in heapq.nsmallest(most, held)}
    return [held[digest] for digest in heapq.nsmallest(most, held)]


def _smallest(texts: list[str], most: int) -> list[str]:
    return heapq.nsmallest(most, set(texts), key=_digest)


def _evenly(made: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """At most `MOST_KNOWN` texts, drawn together from all generators."""
    return heapq.nsmallest(MOST_KNOWN, made, key=lambda one: _digest(one[1]))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
