"""How near a contributor's words are to T's: minus the cross-entropy of T's words under a unigram model of the contributor's.

Letters: c(w) and n the counts of a word and of all words of the contributor; V words that all contributors and T have; p the
share of a word in all of them together. Counts are smoothed towards p (Dirichlet prior, Zhai and Lafferty, TOIS 2004),

    q(w) = (c(w) + mu p(w)) / (n + mu)

with the mu of `PRIORS` under which words of the contributor that are left out one by one are likeliest (ibid., section 6).
KL(T || q) is the cross-entropy less the entropy of T's words, which is the same for all: both rank alike. Words of a prompt
are left out on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.raw_inputs import Document
from mixval.terms.arrays import Floats

PRIORS = tuple(10.0 ** (power / 2) for power in range(11))
"""mu, in words: 1 to 100,000."""


def unigram(inputs: Inputs, _: int) -> Floats:
    """(K,) mean log-probabilities of T's words, nats."""
    texts = inputs.texts()
    counted = [content_counts(own) for own in (*texts.contributors, texts.target)]
    pooled = sum(counted, Counter[str]())
    places = {word: at for at, word in enumerate(pooled)}
    own = np.zeros((len(counted), len(places)))
    for row, counts in zip(own, counted, strict=True):
        row[[places[word] for word in counts]] = list(counts.values())
    shares = own.sum(axis=0) / own.sum()
    target = own[-1]
    return np.array([target @ np.log(smoothed(counts, shares)) / target.sum() for counts in own[:-1]])


def content_counts(documents: Iterable[Document]) -> Counter[str]:
    """Of the words and marks that are to be learnt."""
    found = Counter[str]()
    for document in documents:
        words, n_content = document.words()
        found.update(words[len(words) - n_content :])
    return found


def smoothed(counts: Floats, shares: Floats) -> Floats:
    """(V,) q of a contributor's counts (V,) and the pool's shares (V,)."""
    seen = counts > 0
    c, n = counts[seen], counts.sum()
    left_out = [c @ np.log((c - 1 + mu * shares[seen]) / (n - 1 + mu)) for mu in PRIORS]
    mu = PRIORS[int(np.argmax(left_out))]
    q: Floats = (counts + mu * shares) / (n + mu)
    return q
