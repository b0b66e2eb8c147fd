"""How much of a language a corpus uses: distinct n-grams and entropy at equal numbers of tokens, repetition, bytes that deflate
away.

Distinct n-grams grow with a corpus, so that corpora are compared at the tokens of the smallest: of an n-gram that came c times,
a draw of the share f of all occurrences has at least one with probability 1 - (1 - f)^c (rarefaction).
"""

from __future__ import annotations

import numpy as np

from mixval.corpus.counts import ORDERS, Replicate
from mixval.corpus.smoothing import missing_mass
from mixval.corpus.transitions import concentration
from mixval.corpus.zipf import count_exponent, zipf_exponent

DISTINCT = ("distinct_1", *(f"distinct_{order}" for order in ORDERS))
"""Names of distinct n-grams a token, at equal numbers of tokens."""


def rarefied(counts: np.ndarray, share: float) -> float:
    """Distinct things that a draw of `share` of all occurrences has, in expectation."""
    held = counts[counts > 0].astype(float)
    return float(len(held)) if share >= 1 else float(-np.expm1(held * np.log1p(-share)).sum())


def distinct_at(corpus: Replicate, n_tokens: float) -> dict[str, float]:
    """Distinct n-grams a token in `n_tokens` tokens; NaN where the corpus has fewer."""
    share = n_tokens / corpus.n_tokens if corpus.n_tokens else float("inf")
    if share > 1 + 1e-9 or not n_tokens:
        return dict.fromkeys(DISTINCT, float("nan"))
    found = {"distinct_1": rarefied(corpus.unigrams, share) / n_tokens}
    for order in ORDERS:
        found[f"distinct_{order}"] = rarefied(corpus.ngrams[order], share) / corpus.shares[order] / n_tokens
    return found


def entropy(counts: np.ndarray) -> float:
    """Nats a token, with the correction of Miller and Madow."""
    held = counts[counts > 0]
    if not len(held):
        return float("nan")
    share = held / held.sum()
    return float(-(share * np.log(share)).sum() + (len(held) - 1) / (2 * held.sum()))


def corpus_statistics(corpus: Replicate) -> dict[str, float]:
    """What one corpus says by itself: see docs/corpus.md for each of the names."""
    documents, n_bytes, _, sampled_bytes, deflated = (float(size) for size in corpus.sizes)
    repeated = concentration(corpus.transitions)
    return {
        "tokens_a_document": corpus.n_tokens / documents if documents else float("nan"),
        "bytes_a_token": n_bytes / corpus.n_tokens if corpus.n_tokens else float("nan"),
        "zipf": zipf_exponent(corpus.by_group),
        "count_exponent": count_exponent(corpus.unigrams[corpus.unigrams > 0]),
        "entropy": entropy(corpus.unigrams),
        "missing_mass": missing_mass(corpus.unigrams),
        "next_token_concentration": float(np.mean(list(repeated.values()))) if repeated else float("nan"),
        "compression_ratio": sampled_bytes / deflated if deflated else float("nan"),
    }
