"""How much a contributor has by its listing, and whether what was read of it decides already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixval.contracts.plan import ShardRef
from mixval.gate.stream import RowStream

FREE_BYTES = 1 << 30
"""Decoded bytes that any contributor may have, however few its files have."""


@dataclass(frozen=True)
class Extent:
    """A contributor's shards, rows and bytes as listed."""

    n_shards: int
    n_rows: int
    n_bytes: int
    """Of the files, as they are stored."""

    @classmethod
    def of(cls, shards: Sequence[ShardRef]) -> Extent:
        """That of listed shards."""
        return cls(len(shards), sum(shard.n_rows for shard in shards), sum(shard.size_bytes for shard in shards))

    def rows_beside(self, stream: RowStream) -> int:
        """Rows in all, as far as is known: those listed, or those read where they are more."""
        return max(self.n_rows, stream.n_rows)

    def most_bytes(self, max_unfolding: int) -> int:
        """Bytes that its rows may have once decoded."""
        return FREE_BYTES + max_unfolding * self.n_bytes

    def unfolding(self, stream: RowStream) -> float:
        """Decoded bytes so far, less the free ones, per stored byte."""
        return max(0, stream.n_bytes - FREE_BYTES) / max(self.n_bytes, 1)

    def is_decided(self, stream: RowStream) -> bool:
        """Whether the contributor is rejected whatever the rows that were not read yet are."""
        n = self.rows_beside(stream)
        shares = (
            (stream.n_bad, stream.limits.max_bad_row_share),
            (stream.n_repeats, stream.limits.max_duplicate_share),
            (stream.n_in_target, stream.limits.max_target_overlap_share),
        )
        is_large = n > stream.limits.max_rows or stream.n_bytes > stream.most_bytes
        return is_large or any(count > share * n for count, share in shares)
