"""Counts of a piece of a corpus that add up to those of the whole, whatever the pieces and their order.

unigrams     (G, V) tokens by group and id
n-grams      of two and of three tokens: a uniform sample of the distinct ones with their counts (`ngrams.py`)
transitions  tokens that follow the target's most frequent ones, of the sampled documents
phrases      frequent runs of three tokens, of the sampled documents (a datasketches sketch)
bytes        of text; and of the sampled documents, before and after deflate
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mixval.corpus.ngrams import NgramSample, keys_of, merged_sample, sampled
from mixval.corpus.phrases import Phrases
from mixval.corpus.transitions import Transitions, transitions_of

N_GROUPS = 20
"""Groups of documents. Intervals have one degree of freedom fewer."""
ORDERS = (2, 3)
"""Lengths of the n-grams that are sampled."""
VERSION = 1
"""Raised whenever the same documents give other counts."""


@dataclass(frozen=True)
class Documents:
    """Tokenised documents of one batch, and where each belongs."""

    tokens: np.ndarray
    """(N,) int64: all documents' ids, one after the other."""
    lengths: np.ndarray
    """(D,) int64, tokens of each."""
    groups: np.ndarray
    """(D,) int64 in [0, N_GROUPS)."""
    n_bytes: np.ndarray
    """(D,) int64, UTF-8 bytes."""
    is_sampled: np.ndarray
    """(D,) bool: whether the costlier counts take it."""

    def token_groups(self) -> np.ndarray:
        """(N,) the group of each token."""
        return np.repeat(self.groups, self.lengths)

    def only(self, kept: np.ndarray) -> Documents:
        """Those where `kept` (D,) bool is true."""
        tokens = self.tokens[np.repeat(kept, self.lengths)]
        parts = (self.lengths, self.groups, self.n_bytes, self.is_sampled)
        return Documents(tokens, *(part[kept] for part in parts))


@dataclass
class CorpusCounts:
    """What is counted of documents."""

    n_tokens_known: int
    """V, the size of the vocabulary."""
    contexts: np.ndarray
    """(C,) ids whose followers are counted."""
    unigrams: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    sizes: np.ndarray = field(default_factory=lambda: np.zeros((5, N_GROUPS), np.int64))
    """(5, G): documents, bytes; sampled documents; bytes of blocks of these, and the same deflated."""
    ngrams: dict[int, NgramSample] = field(default_factory=dict)
    transitions: Transitions = field(default_factory=Transitions.empty)
    phrases: Phrases = field(default_factory=Phrases)

    def __post_init__(self) -> None:
        """Fill in what starts empty."""
        if self.unigrams.size == 0:
            self.unigrams = np.zeros((N_GROUPS, self.n_tokens_known), np.int64)
        self.ngrams = self.ngrams or {order: NgramSample.empty(N_GROUPS) for order in ORDERS}

    @property
    def n_tokens(self) -> int:
        """Tokens in all."""
        return int(self.unigrams.sum())

    @property
    def n_documents(self) -> int:
        """Documents in all."""
        return int(self.sizes[0].sum())

    def add(self, documents: Documents) -> None:
        """Count a batch."""
        places = documents.token_groups() * self.n_tokens_known + documents.tokens
        if self.unigrams.size <= 4 * len(places):
            self.unigrams += np.bincount(places, minlength=self.unigrams.size).reshape(self.unigrams.shape)
        else:  # a small batch against a large vocabulary
            np.add.at(self.unigrams.reshape(-1), places, 1)
        for line, weight in enumerate((np.ones_like(documents.n_bytes), documents.n_bytes, documents.is_sampled)):
            np.add.at(self.sizes[line], documents.groups, weight)
        for order in ORDERS:
            keys, owners = keys_of(documents.tokens, documents.lengths, documents.groups, order)
            self.ngrams[order] = sampled(self.ngrams[order], keys, owners)
        if documents.is_sampled.any():
            part = documents.only(documents.is_sampled)
            self.transitions = self.transitions.plus(transitions_of(part.tokens, part.lengths, part.groups, self.contexts))
            self.phrases.add(keys_of(part.tokens, part.lengths, part.groups, 3)[0])

    def add_deflated(self, group: int, n_bytes: int, n_deflated: int) -> None:
        """Count a block of text, and what deflate leaves of it."""
        self.sizes[3:, group] += (n_bytes, n_deflated)

    def plus(self, other: CorpusCounts) -> CorpusCounts:
        """The counts of both corpora together."""
        return CorpusCounts(
            self.n_tokens_known,
            self.contexts,
            self.unigrams + other.unigrams,
            self.sizes + other.sizes,
            {order: merged_sample(self.ngrams[order], other.ngrams[order]) for order in ORDERS},
            self.transitions.plus(other.transitions),
            self.phrases.plus(other.phrases),
        )

    def without(self, group: int | None) -> Replicate:
        """The counts of all documents but those of a group; of all, for None."""
        kept = np.arange(N_GROUPS) != (-1 if group is None else group)
        return Replicate(
            self.unigrams[kept].sum(axis=0),
            self.sizes[:, kept].sum(axis=1),
            {order: one.counts[:, kept].sum(axis=1) for order, one in self.ngrams.items()},
            {order: one.share for order, one in self.ngrams.items()},
            self.transitions.without(group),
            np.where(kept[:, None], self.unigrams, 0),
        )


@dataclass(frozen=True)
class Replicate:
    """The counts of some of the groups, added up."""

    unigrams: np.ndarray
    """(V,)"""
    sizes: np.ndarray
    """(5,) as `CorpusCounts.sizes`."""
    ngrams: Mapping[int, np.ndarray]
    """Order -> counts of the sampled distinct n-grams; some may be 0."""
    shares: Mapping[int, float]
    """Order -> the share of all distinct n-grams that is sampled."""
    transitions: Transitions
    by_group: np.ndarray
    """(G, V); a group that is left out has zeros."""

    @property
    def n_tokens(self) -> int:
        """Tokens in all."""
        return int(self.unigrams.sum())


def summed(parts: Sequence[CorpusCounts]) -> CorpusCounts:
    """The counts of several parts together, of which there is one at least."""
    total = parts[0]
    for part in parts[1:]:
        total = total.plus(part)
    return total
