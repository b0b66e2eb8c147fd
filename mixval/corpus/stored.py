"""Counts as arrays and back, for whoever stores them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mixval.corpus.counts import N_GROUPS, ORDERS, CorpusCounts
from mixval.corpus.ngrams import NgramSample
from mixval.corpus.phrases import Phrases
from mixval.corpus.transitions import Transitions

_ALL = 2**64


def to_arrays(counts: CorpusCounts) -> dict[str, np.ndarray]:
    """The counts; of unigrams those that are not zero."""
    places = np.flatnonzero(counts.unigrams)
    arrays = {
        "contexts": counts.contexts.astype(np.int64),
        "unigram_places": places.astype(np.int64),
        "unigram_counts": counts.unigrams.reshape(-1)[places],
        "sizes": counts.sizes,
        "transition_keys": counts.transitions.keys,
        "transition_counts": counts.transitions.counts,
        "phrases": np.frombuffer(counts.phrases.to_bytes(), np.uint8),
        "n_tokens_known": np.array([counts.n_tokens_known], np.int64),
    }
    for order, sample in counts.ngrams.items():
        arrays |= {
            f"hashes_{order}": sample.hashes,
            f"keys_{order}": sample.keys,
            f"counts_{order}": sample.counts,
            f"bound_{order}": np.array([sample.bound % _ALL], np.uint64),  # 0: all of them
        }
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> CorpusCounts:
    """What `to_arrays` gave."""
    size = int(arrays["n_tokens_known"][0])
    unigrams = np.zeros(N_GROUPS * size, np.int64)
    unigrams[arrays["unigram_places"]] = arrays["unigram_counts"]
    ngrams = {
        order: NgramSample(
            arrays[f"hashes_{order}"], arrays[f"keys_{order}"], arrays[f"counts_{order}"],
            int(arrays[f"bound_{order}"][0]) or _ALL,
        )
        for order in ORDERS
    }  # fmt: skip
    return CorpusCounts(
        size,
        arrays["contexts"],
        unigrams.reshape(N_GROUPS, size),
        arrays["sizes"],
        ngrams,
        Transitions(arrays["transition_keys"], arrays["transition_counts"]),
        Phrases.from_bytes(arrays["phrases"].tobytes()),
    )
