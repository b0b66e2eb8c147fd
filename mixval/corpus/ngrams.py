"""A uniform sample of a corpus' distinct n-grams with their exact counts: what the number of distinct ones follows from.

Each n-gram has a hash, the same in every corpus, and the `SAMPLE_SIZE` smallest hashes are kept with how often their n-gram
came (distinct sampling, Gibbons 2001). An n-gram that is in the sample now was in it from its first occurrence on, because the
bound only falls: so its count is exact, samples add, and those of two corpora speak of the same n-grams.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE_SIZE = 8192
TOKEN_BITS = 21
"""Bits of an id in a key: vocabularies of up to two million tokens, three of them in 63 bits."""
_FULL = 2.0**64
_AMPLE = 2
"""Times as many occurrences as are kept, of which so many are distinct in most texts."""


@dataclass(frozen=True)
class NgramSample:
    """The distinct n-grams with the smallest hashes."""

    hashes: np.ndarray
    """(K,) uint64, ascending."""
    keys: np.ndarray
    """(K,) int64, the ids packed (`keys_of`)."""
    counts: np.ndarray
    """(K, G) int64, by group."""
    bound: int = 2**64
    """Every distinct n-gram with a hash below it is here."""

    @staticmethod
    def empty(n_groups: int) -> NgramSample:
        """Of no documents."""
        return NgramSample(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros((0, n_groups), np.int64))

    @property
    def share(self) -> float:
        """The share of all distinct n-grams that is sampled, in expectation."""
        return float(self.bound / _FULL)


def keys_of(tokens: np.ndarray, lengths: np.ndarray, groups: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Every run of `order` tokens within a document as one int64, and its document's group."""
    if len(tokens) < order:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    keys = tokens[: len(tokens) - order + 1].astype(np.int64)
    for at in range(1, order):
        keys = (keys << TOKEN_BITS) | tokens[at : len(tokens) - order + 1 + at]
    ends = np.cumsum(lengths)
    is_whole = np.ones(len(keys), bool)
    for back in range(1, order):
        starts = ends - back
        is_whole[starts[(starts >= 0) & (starts < len(keys))]] = False
    owners = np.repeat(groups, lengths)[: len(keys)]
    return keys[is_whole], owners[is_whole]


def tokens_of(key: int, order: int) -> list[int]:
    """The ids of a key."""
    mask = (1 << TOKEN_BITS) - 1
    return [(key >> (TOKEN_BITS * (order - 1 - at))) & mask for at in range(order)]


def hashes_of(keys: np.ndarray) -> np.ndarray:
    """(N,) uint64 of splitmix64: as good as uniform, and the same everywhere."""
    mixed = keys.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def sampled(sample: NgramSample, keys: np.ndarray, owners: np.ndarray) -> NgramSample:
    """The sample with a batch of occurrences, each of a group, added."""
    hashes = hashes_of(keys)
    bound = _bound_with(hashes, sample.bound)
    if bound < 2**64:
        below = hashes < np.uint64(bound)
        hashes, keys, owners = hashes[below], keys[below], owners[below]
    if not len(keys):
        return sample
    distinct, first, place = np.unique(hashes, return_index=True, return_inverse=True)
    counts = np.zeros((len(distinct), sample.counts.shape[1]), np.int64)
    np.add.at(counts, (place, owners), 1)
    return merged_sample(sample, NgramSample(distinct, keys[first], counts, bound))


def _bound_with(hashes: np.ndarray, bound: int) -> int:
    """A hash above all that will be kept, once these are added: the given bound, or a lower one that spares sorting them all.

    Where more than `SAMPLE_SIZE` distinct ones lie below it, none from there on is among the smallest.
    """
    lower = int(_FULL * _AMPLE * SAMPLE_SIZE / max(1, len(hashes)))
    if lower >= bound:
        return bound
    return lower if len(np.unique(hashes[hashes < np.uint64(lower)])) > SAMPLE_SIZE else bound


def merged_sample(one: NgramSample, other: NgramSample) -> NgramSample:
    """The sample of both corpora together."""
    bound = min(one.bound, other.bound)
    hashes = np.concatenate([one.hashes, other.hashes])
    distinct, first, place = np.unique(hashes, return_index=True, return_inverse=True)
    counts = np.zeros((len(distinct), one.counts.shape[1]), np.int64)
    counts[place[: len(one.hashes)]] += one.counts
    counts[place[len(one.hashes) :]] += other.counts
    keys = np.concatenate([one.keys, other.keys])[first]
    kept = len(distinct) if bound == 2**64 else int(np.searchsorted(distinct, np.uint64(bound)))
    if kept > SAMPLE_SIZE:
        kept, bound = SAMPLE_SIZE, int(distinct[SAMPLE_SIZE])
    return NgramSample(distinct[:kept], keys[:kept], counts[:kept], bound)
