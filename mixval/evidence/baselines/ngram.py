"""Log-probability of T's texts under a language model of a contributor's texts: counts of n-grams, no backbone.

Trigrams of words, or five characters in a row. Interpolated Kneser-Ney smoothing with three discounts (Chen and Goodman 1999):
with c the counts at the highest order and the numbers of different tokens before at the lower ones,

    p(w | h) = max(c(h w) - d(c), 0) / c(h .) + sum over w of d(c(h w)) / c(h .) p(w | h'),    p(w) at last mixes with 1 / V

d(c) comes from how many n-grams of an order were counted once, twice, three and four times; it is 0.75 where one of these is
none, or one of the three discounts is not above 0. V is the number of tokens that all contributors and T have, one for all; a
context that was never seen leaves the token to the shorter one. A prompt is context, and is not predicted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.raw_inputs import Document
from mixval.terms.arrays import Floats

WORDS, CHARACTERS = 3, 5
"""Orders."""
DISCOUNT = 0.75
START, END = "\x02", "\x03"
Gram = tuple[str, ...]
Tokens = tuple[list[str], int]
"""All of a text, and how many of them, at the end, are to be learnt."""


class KneserNey:
    """A language model."""

    def __init__(self, texts: Iterable[Tokens], n_tokens: int, order: int = WORDS) -> None:
        """From texts, their prompts included; `n_tokens` is V, the end of a text counted among them."""
        self._order, self._n_tokens = order, n_tokens
        counts: list[dict[Gram, int]] = [defaultdict(int) for _ in range(order)]
        for tokens, _ in texts:
            padded = _padded(tokens, order)
            for at in range(order - 1, len(padded)):
                counts[order - 1][tuple(padded[at - order + 1 : at + 1])] += 1
        for length in range(order - 1, 0, -1):  # of different tokens before, not of occurrences
            for gram in counts[length]:
                counts[length - 1][gram[1:]] += 1
        self._counts = counts
        self._discounts = [discounts(held.values()) for held in counts]
        self._totals: list[dict[Gram, int]] = [defaultdict(int) for _ in range(order)]
        self._taken: list[dict[Gram, float]] = [defaultdict(float) for _ in range(order)]
        for length, held in enumerate(counts):
            for gram, count in held.items():
                self._totals[length][gram[:-1]] += count
                self._taken[length][gram[:-1]] += self._discounts[length][min(count, 3)]

    def probability(self, context: Gram, token: str) -> float:
        """p(token | context); they sum to 1 over V tokens."""
        p = 1 / self._n_tokens
        for length in range(self._order):
            before = context[len(context) - length :]
            total = self._totals[length].get(before, 0)
            if total == 0:
                break
            count = self._counts[length].get((*before, token), 0)
            kept = max(count - self._discounts[length][min(count, 3)], 0.0)
            p = kept / total + self._taken[length][before] / total * p
        return p

    def log_probabilities(self, text: Tokens) -> list[float]:
        """Of each token that is to be learnt, and of the end."""
        tokens, n_content = text
        padded = _padded(tokens, self._order)
        first = len(padded) - n_content - 1
        return [
            float(np.log(self.probability(tuple(padded[at - self._order + 1 : at]), padded[at])))
            for at in range(first, len(padded))
        ]


def discounts(counts: Iterable[int]) -> Sequence[float]:
    """(4,) what is taken from a count of 0, 1, 2, and of 3 or more."""
    of = Counter(counts)
    usual = (0.0, DISCOUNT, DISCOUNT, DISCOUNT)
    if not all(of[count] for count in (1, 2, 3, 4)):
        return usual
    share = of[1] / (of[1] + 2 * of[2])
    found = [c - (c + 1) * share * of[c + 1] / of[c] for c in (1, 2, 3)]
    return (0.0, *found) if min(found) > 0 else usual


def ngram(inputs: Inputs, _: int) -> Floats:
    """(K,) mean log-probabilities of T's words, nats."""
    return _values(inputs, Document.words, WORDS)


def character_ngram(inputs: Inputs, _: int) -> Floats:
    """(K,) mean log-probabilities of T's characters, nats."""
    return _values(inputs, Document.characters, CHARACTERS)


def _values(inputs: Inputs, split: Callable[[Document], Tokens], order: int) -> Floats:
    texts = inputs.texts()
    contributors = [[split(document) for document in own] for own in texts.contributors]
    target = [split(document) for document in texts.target]
    n_tokens = len({token for own in (*contributors, target) for tokens, _ in own for token in tokens} | {END})
    models = (KneserNey(own, n_tokens, order) for own in contributors)
    return np.array([np.mean([p for text in target for p in model.log_probabilities(text)]) for model in models])


def _padded(tokens: list[str], order: int) -> list[str]:
    return [*[START] * (order - 1), *tokens, END]
