"""Log-probability of T's texts under a trigram model of a contributor's texts: word counts, no backbone.

Interpolated Kneser-Ney smoothing with one discount (Ney, Essen, Kneser 1994; Chen and Goodman 1999): with c the counts at the
highest order and the numbers of different words before at the lower ones,

    p(w | h) = max(c(h w) - d, 0) / c(h .) + d n(h .) / c(h .) p(w | h'),    p(w) at last mixes with 1 / V

V is the number of words that all contributors and T have, one for all; a context that was never seen leaves the word to the
shorter one. Words of a prompt are context, and are not predicted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.raw_inputs import Document
from mixval.terms.arrays import Floats

ORDER = 3
DISCOUNT = 0.75
START, END = "\x02", "\x03"
Gram = tuple[str, ...]


class KneserNey:
    """A language model of words."""

    def __init__(self, documents: Iterable[Document], n_words: int, order: int = ORDER) -> None:
        """From documents, their prompts included; `n_words` is V, the end of a text counted among them."""
        self._order, self._n_words = order, n_words
        counts: list[dict[Gram, int]] = [defaultdict(int) for _ in range(order)]
        for document in documents:
            words = _padded(document.words()[0], order)
            for at in range(order - 1, len(words)):
                counts[order - 1][tuple(words[at - order + 1 : at + 1])] += 1
        for length in range(order - 1, 0, -1):  # of different words before, not of occurrences
            for gram in counts[length]:
                counts[length - 1][gram[1:]] += 1
        self._counts = counts
        self._totals: list[dict[Gram, int]] = [defaultdict(int) for _ in range(order)]
        self._kinds: list[dict[Gram, int]] = [defaultdict(int) for _ in range(order)]
        for length, held in enumerate(counts):
            for gram, count in held.items():
                self._totals[length][gram[:-1]] += count
                self._kinds[length][gram[:-1]] += 1

    def probability(self, context: Gram, word: str) -> float:
        """p(word | context); they sum to 1 over V words."""
        p = 1 / self._n_words
        for length in range(self._order):
            before = context[len(context) - length :]
            total = self._totals[length].get(before, 0)
            if total == 0:
                break
            kept = max(self._counts[length].get((*before, word), 0) - DISCOUNT, 0.0)
            p = kept / total + DISCOUNT * self._kinds[length][before] / total * p
        return p

    def log_probabilities(self, document: Document) -> list[float]:
        """Of each word of the content, and of its end."""
        words, n_content = document.words()
        padded = _padded(words, self._order)
        first = len(padded) - n_content - 1
        return [
            float(np.log(self.probability(tuple(padded[at - self._order + 1 : at]), padded[at])))
            for at in range(first, len(padded))
        ]


def ngram(inputs: Inputs, _: int) -> Floats:
    """(K,) mean log-probabilities of T's words, nats."""
    texts = inputs.texts()
    everything = [*(document for own in texts.contributors for document in own), *texts.target]
    n_words = len({word for document in everything for word in document.words()[0]} | {END})
    values = []
    for own in texts.contributors:
        model = KneserNey(own, n_words)
        values.append(np.mean([p for document in texts.target for p in model.log_probabilities(document)]))
    return np.array(values)


def _padded(words: list[str], order: int) -> list[str]:
    return [*[START] * (order - 1), *words, END]
