"""Near-copies among answers: candidates by MinHash and LSH (datasketch), each verified by exact Jaccard similarity.

LSH alone lets pairs below the threshold pass. What is kept of each answer is its signature and its text's shingles as hashes:
some 2.5 KB at 128 permutations and 250 words.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from mixval.errors import ConfigError
from mixval.installing import install_command
from mixval.synthesis.filters.drop import Drop
from mixval.synthesis.filters.words import shingles

PERMUTATIONS = 128
WIDER = 0.6
"""Of the threshold, from where LSH finds candidates: those above the threshold it then finds all but one in thousands."""


class KeptTexts:
    """The answers that are kept so far. The first of several alike stays."""

    def __init__(self, most: float, n_words: int) -> None:
        """`most`: the largest Jaccard similarity of runs of `n_words` words that two of them may have."""
        try:
            from datasketch import MinHashLSH  # type: ignore[import-untyped]
        except ImportError as error:
            raise ConfigError(
                f"filters.max_similarity: expected the package datasketch, found none. Run: {install_command('synthesis')}, "
                "or set `filters.max_similarity: null`."
            ) from error
        self._most, self._n_words = most, n_words
        # Candidates are verified, so that LSH may find many that are less alike, and miss none that is more.
        self._index: Any = MinHashLSH(threshold=WIDER * most, num_perm=PERMUTATIONS, weights=(0.1, 0.9))
        self._runs: dict[str, np.ndarray] = {}

    def drop_or_keep(self, name: str, text: str) -> Drop | None:
        """A drop where one that is kept is too similar; else it is kept from now on."""
        from datasketch import MinHash

        runs = shingles(text, self._n_words)
        signature = MinHash(num_perm=PERMUTATIONS, seed=1)
        signature.update_batch([run.encode() for run in sorted(runs)])
        own = np.sort(np.array([_hashed(run) for run in runs], dtype=np.uint64))
        found = max(((self._similarity(own, other), other) for other in self._index.query(signature)), default=(0.0, ""))
        if found[0] > self._most:
            return Drop("near-duplicate", found[1], f"Jaccard similarity {found[0]:.3f}, most {self._most:g}")
        self._index.insert(name, signature)
        self._runs[name] = own
        return None

    def _similarity(self, own: np.ndarray, other: str) -> float:
        theirs = self._runs[other]
        shared = len(np.intersect1d(own, theirs, assume_unique=True))
        n_all = len(own) + len(theirs) - shared
        return shared / n_all if n_all else 0.0


def _hashed(run: str) -> int:
    return int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest(), "big")
