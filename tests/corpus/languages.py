"""Texts and token counts with known statistics."""

from __future__ import annotations

import numpy as np

from mixval.corpus.counts import CorpusCounts
from mixval.corpus.documents import Blocks, documents_of

N_TOKENS = 300
CONTEXTS = np.array([0, 1, 2])


def zipf_probabilities(exponent: float = 1.0, size: int = N_TOKENS) -> np.ndarray:
    """(size,) of Zipf's law."""
    weights = np.arange(1, size + 1) ** -exponent
    return weights / weights.sum()


def drawn(random: np.random.Generator, probabilities: np.ndarray, n_documents: int, length: int = 40) -> list[np.ndarray]:
    """Documents of independent tokens."""
    flat = random.choice(len(probabilities), size=(n_documents, length), p=probabilities)
    return list(flat)


def counted(documents: list[np.ndarray], batch: int = 1000, share: float = 1.0) -> CorpusCounts:
    """Their counts, made in batches; a document's text is its ids, spelled."""
    counts, blocks = CorpusCounts(N_TOKENS, CONTEXTS), Blocks()
    for start in range(0, len(documents), batch):
        own = documents[start : start + batch]
        texts = [" ".join(map(str, one.tolist())).encode() for one in own]
        lengths = np.array([len(one) for one in own], np.int64)
        made = documents_of(texts, np.concatenate(own).astype(np.int64), lengths, share)
        counts.add(made)
        blocks.add(counts, texts, made)
    return counts
