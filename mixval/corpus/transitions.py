"""Which tokens follow the target's most frequent ones, and how concentrated they are.

Concentration is the chance that two draws of the next token agree, averaged over the contexts with equal weight: its estimate
from pairs of occurrences, sum c(c - 1) / n(n - 1), is right on average at any number of occurrences, which entropies are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ID_BITS, _CONTEXT_BITS = 24, 8
N_CONTEXTS = 64
LEAST_OCCURRENCES = 20
"""Of a context, so that it enters the average."""


@dataclass(frozen=True)
class Transitions:
    """Occurrences by group, context and next token: sorted distinct keys and their counts."""

    keys: np.ndarray
    """(P,) int64: group, position of the context, id of the next token."""
    counts: np.ndarray
    """(P,) int64"""

    @staticmethod
    def empty() -> Transitions:
        """Of no documents."""
        return Transitions(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def plus(self, other: Transitions) -> Transitions:
        """Both together."""
        keys, place = np.unique(np.concatenate([self.keys, other.keys]), return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, other.counts]))
        return Transitions(keys, counts)

    def without(self, group: int | None) -> Transitions:
        """All but one group's, with the groups added up."""
        kept = (self.keys >> (_ID_BITS + _CONTEXT_BITS)) != (-1 if group is None else group)
        return Transitions(self.keys[kept] & ((1 << (_ID_BITS + _CONTEXT_BITS)) - 1), self.counts[kept]).plus(
            Transitions.empty()
        )


def transitions_of(tokens: np.ndarray, lengths: np.ndarray, groups: np.ndarray, contexts: np.ndarray) -> Transitions:
    """The followers of `contexts` (at most `N_CONTEXTS` ids) within documents."""
    if len(tokens) < 2 or not len(contexts):
        return Transitions.empty()
    place = np.full(int(max(tokens.max(), contexts.max())) + 1, -1, np.int64)
    place[contexts] = np.arange(len(contexts))
    first = place[tokens[:-1]]
    ends = np.cumsum(lengths) - 1
    first[ends[(ends >= 0) & (ends < len(first))]] = -1
    chosen = first >= 0
    owners = np.repeat(groups, lengths)[:-1]
    keys = (owners[chosen] << (_ID_BITS + _CONTEXT_BITS)) | (first[chosen] << _ID_BITS) | tokens[1:][chosen]
    distinct, counts = np.unique(keys, return_counts=True)
    return Transitions(distinct.astype(np.int64), counts.astype(np.int64))


def concentration(transitions: Transitions) -> dict[int, float]:
    """Context's position -> chance that its next token is the same twice; contexts that are too rare are left out."""
    found = {}
    contexts = transitions.keys >> _ID_BITS
    for context in np.unique(contexts).tolist():
        counts = transitions.counts[contexts == context].astype(float)
        total = counts.sum()
        if total >= LEAST_OCCURRENCES:
            found[context] = float((counts * (counts - 1)).sum() / (total * (total - 1)))
    return found
