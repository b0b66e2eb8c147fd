"""Texts to what is counted of them: group and sample by a digest of the text, and blocks for deflate."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np

from mixval.corpus.counts import N_GROUPS, CorpusCounts, Documents

BLOCK_BYTES = 8 << 10
"""Of text that is deflated together. Blocks of one size compare whatever the length of documents."""


def documents_of(texts: Sequence[bytes], tokens: np.ndarray, lengths: np.ndarray, sampled_share: float) -> Documents:
    """The documents of these texts and their tokens. Equal texts are of one group, and sampled together or not at all."""
    digests = np.array([int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") for text in texts], np.uint64)
    return Documents(
        tokens,
        lengths,
        (digests % np.uint64(N_GROUPS)).astype(np.int64),
        np.array([len(text) for text in texts], np.int64),
        (digests // np.uint64(N_GROUPS)) < np.uint64(int(sampled_share * (2**64 // N_GROUPS))),
    )


class Blocks:
    """Text of sampled documents, gathered by group until it is a block. What is left at the end of a shard is not counted."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._held = [bytearray() for _ in range(N_GROUPS)]

    def add(self, counts: CorpusCounts, texts: Sequence[bytes], documents: Documents) -> None:
        """Count the blocks that these documents fill."""
        for at in np.flatnonzero(documents.is_sampled).tolist():
            group = int(documents.groups[at])
            held = self._held[group]
            held += texts[at] + b"\n"
            while len(held) >= BLOCK_BYTES:
                block = bytes(held[:BLOCK_BYTES])
                del held[:BLOCK_BYTES]
                counts.add_deflated(group, BLOCK_BYTES, len(zlib.compress(block, 6)))
