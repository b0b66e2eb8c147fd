"""Which rows a table holds, by content: the keys of all rows, or of a random share of them that does not grow.

A row's key is 64 bits of its content, so that which keys fall below a share of all keys is a random draw of rows, and the same
draw for rows of a table and of a batch (coordinated sampling: Cohen and Kaplan, PODC 2007). All keys are kept while they are at
most `MOST_KEYS`; then those below 1/2, 1/4, ... of all keys. What share of a batch is held is exact in the first case, and else
estimated from those of its rows whose keys are below the share. Two different rows have one key with a probability of 5e-20: of
a batch of 10,000 rows against ten million, one is mistaken in two hundred million batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from mixval.errors import ShapeError
from mixval.terms.replicates import Keys, splitmix64

MOST_KEYS = 2**21
"""Keys that are kept: 16 MiB."""
LEAST_COMPARED = 20
"""Rows of a batch below which a share of rows is not said, unless they are all of its rows."""


@dataclass(frozen=True)
class HeldShare:
    """Share of a batch's rows that are held."""

    share: float
    low: float
    high: float
    compared: int
    """Rows of the batch that were looked up."""


@dataclass(frozen=True)
class HeldRows:
    """Content keys of rows, each once. `a + b` is that of the rows of both."""

    keys: Keys
    """(M,) ascending, all below 2^(64 - halvings)."""
    halvings: int = 0
    """How often the share of keys that are kept was halved."""

    @classmethod
    def of(cls, keys: Keys, halvings: int = 0) -> HeldRows:
        """Of rows with these keys, in any order, repeats allowed."""
        if keys.ndim != 1 or keys.dtype != np.uint64:
            raise ShapeError(f"keys of rows: expected (N,) uint64, found {keys.dtype} {keys.shape}. Take `row_keys`.")
        kept = np.unique(_below(keys, halvings))
        while len(kept) > MOST_KEYS:
            halvings += 1
            kept = _below(kept, halvings)
        return cls(kept, halvings)

    def __add__(self, other: HeldRows) -> HeldRows:
        """Of the rows of both."""
        return HeldRows.of(np.concatenate([self.keys, other.keys]), max(self.halvings, other.halvings))

    def told(self, keys: Keys) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Of rows with these keys (N,): whether it is known if they are held, and whether they are."""
        known = np.ones(len(keys), dtype=np.bool_) if self.halvings == 0 else keys < np.uint64(2 ** (64 - self.halvings))
        places = np.searchsorted(self.keys, keys)
        held = self.keys[np.minimum(places, len(self.keys) - 1)] == keys if len(self.keys) else np.zeros_like(known)
        return known, held

    def share_of(self, keys: Keys, confidence: float) -> HeldShare | None:
        """Share of the rows with these keys that are held; None where too few of them can be looked up.

        Ends are those of Jeffreys' interval for a share (Brown, Cai and DasGupta, Statistical Science 16, 2001).
        """
        known, held = self.told(keys)
        n_asked, n_held = int(known.sum()), int(held.sum())
        if (n_asked < LEAST_COMPARED and n_asked < len(keys)) or len(keys) == 0:
            return None
        share = n_held / n_asked
        if n_asked == len(keys):
            return HeldShare(share, share, share, n_asked)
        tail, missed = (1 - confidence) / 2, n_asked - n_held
        low = 0.0 if n_held == 0 else float(special.betaincinv(n_held + 0.5, missed + 0.5, tail))
        high = 1.0 if missed == 0 else float(special.betaincinv(n_held + 0.5, missed + 0.5, 1 - tail))
        return HeldShare(share, low, high, n_asked)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays by name."""
        return {"keys": self.keys, "halvings": np.array(self.halvings, dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> HeldRows:
        """What `to_arrays` wrote."""
        return cls(arrays["keys"].astype(np.uint64), int(arrays["halvings"]))


def row_keys(digests: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64] | None = None) -> Keys:
    """(N,) uint64 from (N, 16) digests of rows' inputs, and their labels: a row with another label is another row."""
    if digests.ndim != 2 or digests.shape[1] != 16 or digests.dtype != np.uint8:
        raise ShapeError(f"digests of rows: expected (N, 16) uint8, found {digests.dtype} {digests.shape}.")
    halves = np.ascontiguousarray(digests).view("<u8").astype(np.uint64)
    of_labels = np.zeros(len(digests), dtype=np.uint64) if labels is None else splitmix64(labels.astype(np.uint64))
    return splitmix64(halves[:, 0] ^ splitmix64(halves[:, 1] ^ of_labels))


def _below(keys: Keys, halvings: int) -> Keys:
    return keys if halvings == 0 else keys[keys < np.uint64(2 ** (64 - halvings))]
