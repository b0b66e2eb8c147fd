"""A whole run of `mixval corpus`: counts, statistics, tables, and one document of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.config.fingerprint import fingerprint
from mixval.contracts.sealed import content_sha256
from mixval.corpus.jackknife import LEVEL, Estimate
from mixval.errors import ConfigError
from mixval.progress import current
from mixval.stages.corpus.describing import (
    ALL,
    Described,
    SupportRatio,
    describe,
    phrases_of,
    support_ratios,
    tail_law,
)
from mixval.stages.corpus.gathering import Gathered, gather
from mixval.stages.corpus.losses import MOST_ROWS as MODEL_ROWS
from mixval.stages.corpus.losses import Along, along, first_texts, model_losses
from mixval.stages.corpus.request import CorpusRequest, definition
from mixval.stages.corpus.tables import tables_of

VERSION = 1
"""Raised whenever the same counts give another document."""


@dataclass(frozen=True)
class Measured:
    """What is published."""

    document: dict[str, Any]
    tables: dict[str, pa.Table]
    fingerprint: str


def measure_corpora(request: CorpusRequest) -> Measured:
    """The statistics of all corpora and targets. Raises as `gather` does, and ConfigError for a reference that is not there."""
    gathered = gather(request)
    losses, first = _model_losses(request, gathered)
    described, n_equal = describe(gathered.corpora, gathered.targets, losses)
    reference = request.reference or gathered.targets[0].name
    if reference not in (names := [one.name for one in described if one.part == ALL]):
        raise ConfigError(f"--reference: expected one of {', '.join(names)}, found {reference!r}.")
    ratios = support_ratios(described, reference)
    text = first_texts(gathered.target_shards[0], request.targets[0][1], request.task, 1)[0]
    shown = {one.name: one.counts for one in described if one.part == ALL and not one.is_target}
    curves = along(text, gathered.stream, shown, first)
    name = fingerprint(
        "corpus-run",
        VERSION,
        corpora=[[one.name, one.digest] for one in (*gathered.targets, *gathered.corpora)],
        tokenizer=content_sha256(gathered.definition.encode()),
        reference=reference,
        has_model=bool(losses),
    )
    document = _document(request, gathered, described, ratios, n_equal, reference, curves)
    return Measured(document, tables_of(described, ratios, curves, gathered.stream), name)


def _model_losses(request: CorpusRequest, gathered: Gathered) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    if request.model is None:
        return {}, None
    if definition(request.model) != gathered.definition:
        raise ConfigError("--model: expected the tokenizer of the model, found another. Leave --tokenizer out.")
    found, first = {}, None
    current().begin("losses", len(request.targets))
    for (name, source), shards in zip(request.targets, gathered.target_shards, strict=True):
        current().step("losses", name)
        texts = first_texts(shards, source, request.task, MODEL_ROWS)
        found[name], start = model_losses(request.model, texts, gathered.stream.size)
        first = start if first is None else first
    current().end("losses", "")
    return found, first


def _document(
    request: CorpusRequest,
    gathered: Gathered,
    described: Sequence[Described],
    ratios: Sequence[SupportRatio],
    n_equal: int,
    reference: str,
    curves: Along,
) -> dict[str, Any]:
    skipped = {one.name: one.n_skipped for one in (*gathered.targets, *gathered.corpora)}
    made = request.backbone
    return {
        "level": LEVEL,
        "tokenizer": {
            "kind": "a tokenizer trained on the first target" if made is None else made.tokenizer or made.path,
            "n_tokens": gathered.stream.size,
            "digest": content_sha256(gathered.definition.encode()),
        },
        "equal_tokens": n_equal,
        "reference": reference,
        "targets": [one.name for one in gathered.targets],
        "has_model": "model" in curves.losses,
        "corpora": [_corpus(one, skipped[one.name], gathered) for one in described],
        "support": [{"name": one.name, "part": one.part, "against": one.against, **_estimates(one.ratios)} for one in ratios],
        "failed": [{"name": name, "reason": why} for name, why in gathered.failed.items()],
    }


def _corpus(one: Described, n_skipped: int, gathered: Gathered) -> dict[str, Any]:
    return {
        "name": one.name,
        "part": one.part,
        "is_target": one.is_target,
        "n_documents": one.counts.n_documents,
        "n_tokens": one.counts.n_tokens,
        "n_skipped": n_skipped,
        "statistics": _estimates(one.statistics),
        "tail": tail_law(one),
        "targets": {name: _estimates(found) for name, found in one.to_targets.items()},
        "gaps": {
            name: {
                "n_gaps": found.n_gaps,
                "target_share": found.target_share,
                "loss_share": found.loss_share,
                "model_loss_share": _number(found.model_loss_share),
                "largest": [
                    {"text": gathered.stream.spelling([gap.token]), **{key: _number(value) for key, value in vars(gap).items()}}
                    for gap in found.largest[:10]
                ],
            }
            for name, found in one.gaps.items()
        },
        "phrases": phrases_of(one, gathered.stream),
    }


def _estimates(found: dict[str, Estimate]) -> dict[str, Any]:
    return {name: {key: _number(number) for key, number in vars(value).items()} for name, value in found.items()}


def _number(value: float) -> float | int | None:
    return value if not isinstance(value, float) or math.isfinite(value) else None
