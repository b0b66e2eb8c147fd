"""A causal model's losses on a target by token, and along one of its documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mixval.config.backbone import BackboneConfig
from mixval.config.source import SourceConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.plan import ShardRef
from mixval.corpus.counts import CorpusCounts
from mixval.corpus.smoothing import smoothed
from mixval.models.token_stream import TokenStream
from mixval.storage.shards import stream_rows

MOST_ROWS = 200
"""Documents of a target that go through the model: its first ones."""
PASS_ROWS = 4
ALONG_TOKENS = 400
"""Of the document that curves are drawn along."""
WINDOW = 32
"""Tokens of the rolling average."""


@dataclass(frozen=True)
class Along:
    """Losses along the beginning of one document of a target."""

    tokens: np.ndarray
    """(N,) its ids."""
    losses: dict[str, np.ndarray]
    """Name of a corpus, or `model` -> (N,) nats; NaN where there is none."""


def rolling(losses: np.ndarray) -> np.ndarray:
    """(N,) the mean of the last `WINDOW` losses, of fewer at the start; unknown ones are left out."""
    known = np.isfinite(losses)
    sums, counts = np.cumsum(np.where(known, losses, 0)), np.cumsum(known)
    sums[WINDOW:], counts[WINDOW:] = sums[WINDOW:] - sums[:-WINDOW].copy(), counts[WINDOW:] - counts[:-WINDOW].copy()
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def first_texts(shards: Sequence[ShardRef], source: SourceConfig, task: Task, most: int) -> list[str]:
    """The target's first texts."""
    column = spec_of(task).content
    read = stream_rows(shards, source.model_copy(update={"origin": "real"}), task, columns=[column])
    found: list[str] = []
    for batch in read:
        found += [text for text in batch.table.column(column).to_pylist() if text][: most - len(found)]
        if len(found) >= most:
            break
    return found


def along(text: str, stream: TokenStream, corpora: dict[str, CorpusCounts], model: np.ndarray | None) -> Along:
    """Each corpus' unigram loss along the text, and the model's."""
    ((_, _, ids, _),) = stream.batches([text])
    ids = ids[:ALONG_TOKENS]
    losses = {name: -np.log(smoothed(counts.without(None).unigrams))[ids] for name, counts in corpora.items()}
    if model is not None:
        losses["model"] = np.concatenate([model, np.full(max(0, len(ids) - len(model)), np.nan)])[: len(ids)]
    return Along(ids, losses)


def model_losses(config: BackboneConfig, texts: Sequence[str], n_tokens_known: int) -> tuple[np.ndarray, np.ndarray]:
    """(V,) losses summed by token, and (N,) those along the first text; NaN for a token that nothing comes before."""
    totals, first = np.zeros(n_tokens_known), np.zeros(0)
    for ids, losses, leading in _passes(config, texts):
        known = np.isfinite(losses)
        np.add.at(totals, ids[known], losses[known])
        first = losses[leading:] if not first.size else first
    return totals, first


def _passes(config: BackboneConfig, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """(ids, losses, special tokens before the text) of each text."""
    import torch
    from torch.nn.functional import cross_entropy

    from mixval.models.load import load_backbone
    from mixval.models.tokenise import Tokeniser
    from mixval.models.tokenizers import load_tokenizer

    backbone = load_backbone(config, "language-modelling", None)
    n_leading = len(Tokeniser(load_tokenizer(config, "language-modelling")).leading)
    a_pass = backbone.rows_a_pass(PASS_ROWS)
    for start in range(0, len(texts), a_pass):
        batch = backbone.encode(pa.table({"text": pa.array(texts[start : start + a_pass], pa.string())}))
        with torch.no_grad():
            logits = backbone.forward(batch).logits[:, :-1].float()
            targets = batch["input_ids"][:, 1:]
            found = cross_entropy(logits.transpose(1, 2), targets, reduction="none").double()
        for row, mask in enumerate(batch["attention_mask"].bool()):
            ids = batch["input_ids"][row][mask].numpy()
            losses = np.concatenate([[np.nan], found[row].numpy()[: len(ids) - 1]])
            yield ids, losses, n_leading
