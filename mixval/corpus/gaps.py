"""Tokens that a target uses and a corpus hardly has, with what they cost.

A gap is a token that came `LEAST_IN_TARGET` times or more in T and whose share in the corpus is less than `RARE` of its share
in T. Its share of the loss is that of T's unigram cross entropy under the corpus, and, where a model's losses are given, that
of T's loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixval.corpus.smoothing import smoothed

LEAST_IN_TARGET = 5
RARE = 0.1


@dataclass(frozen=True)
class Gap:
    """A token that a corpus lacks, or nearly."""

    token: int
    target_count: int
    corpus_count: int
    target_share: float
    corpus_share: float
    loss_share: float
    """Of T's cross entropy under the corpus' smoothed unigrams."""
    model_loss_share: float
    """Of T's loss under the model; NaN without one."""


@dataclass(frozen=True)
class Gaps:
    """All gaps of one corpus to one target."""

    n_gaps: int
    target_share: float
    """Their share of T's tokens."""
    loss_share: float
    """And of its cross entropy under the corpus."""
    model_loss_share: float
    """And of its loss under the model; NaN without one."""
    largest: tuple[Gap, ...]
    """By their share of the cross entropy."""


def gaps(target: np.ndarray, corpus: np.ndarray, most: int, model_losses: np.ndarray | None = None) -> Gaps:
    """The gaps of (V,) counts; `model_losses` (V,) are T's losses summed by token."""
    n_target, n_corpus = max(1, int(target.sum())), max(1, int(corpus.sum()))
    aim, own = target / n_target, corpus / n_corpus
    losses = -aim * np.log(smoothed(corpus))
    by_loss = losses / losses.sum() if losses.sum() > 0 else losses
    by_model = _shares(model_losses, len(target))
    is_gap = (target >= LEAST_IN_TARGET) & (own < RARE * aim)
    found = np.flatnonzero(is_gap)
    order = found[np.argsort(-by_loss[found], kind="stable")][:most]
    largest = tuple(
        Gap(
            int(token), int(target[token]), int(corpus[token]), float(aim[token]), float(own[token]),
            float(by_loss[token]), float(by_model[token]),
        )
        for token in order
    )  # fmt: skip
    sums = (float(part[is_gap].sum()) for part in (aim, by_loss, by_model))
    share, loss_share, model_share = sums
    return Gaps(len(found), share, loss_share, model_share if model_losses is not None else float("nan"), largest)


def _shares(losses: np.ndarray | None, size: int) -> np.ndarray:
    if losses is None:
        return np.full(size, np.nan)
    total = losses.sum()
    return losses / total if total > 0 else losses
