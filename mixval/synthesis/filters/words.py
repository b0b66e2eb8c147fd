"""Words of a text, and the runs of words by which two texts are compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words(text: str) -> list[str]:
    """Words in lower case, in order, without punctuation."""
    return _WORD.findall(text.lower())


def spans(text: str) -> Iterator[tuple[str, int, int]]:
    """Each word in lower case, with where it begins and ends in the text."""
    return ((found[0].lower(), found.start(), found.end()) for found in _WORD.finditer(text))


def shingles(text: str, n: int) -> frozenset[str]:
    """All runs of `n` words; of a shorter text, the whole as one."""
    found = words(text)
    if len(found) <= n:
        return frozenset([" ".join(found)] if found else [])
    return frozenset(" ".join(found[at : at + n]) for at in range(len(found) - n + 1))


def jaccard(one: Set[str], other: Set[str]) -> float:
    """Shared over all. 0 for two empty sets."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0
