"""How far a corpus' tokens are from a target's: KL, JS, coverage; and what its size alone would give."""

from __future__ import annotations

import numpy as np

from mixval.corpus.counts import Replicate
from mixval.corpus.smoothing import smoothed

_FLOOR_DRAWS = 4


def kl(target: np.ndarray, corpus: np.ndarray) -> float:
    """KL(T || S) in nats of two distributions; S has no zeros where T has none."""
    held = target > 0
    return float((target[held] * np.log(target[held] / corpus[held])).sum())


def js(one: np.ndarray, other: np.ndarray) -> float:
    """Jensen-Shannon divergence in nats, between 0 and ln 2."""
    middle = (one + other) / 2
    return (kl(one, middle) + kl(other, middle)) / 2


def distances(corpus: Replicate, target: np.ndarray) -> dict[str, float]:
    """`kl` (T || S, S smoothed), `js`, `type_coverage` and `token_coverage`: the share of T's distinct tokens, and of its
    tokens, that the corpus has at all; `cross_entropy`, nats a token of T under the corpus' smoothed unigrams. NaN where either
    is empty."""
    total = target.sum()
    if not total or not corpus.n_tokens:
        return dict.fromkeys(("kl", "js", "type_coverage", "token_coverage", "cross_entropy"), float("nan"))
    own, aim = smoothed(corpus.unigrams), target / total
    seen = corpus.unigrams > 0
    return {
        "kl": kl(aim, own),
        "js": js(aim, corpus.unigrams / corpus.n_tokens),
        "type_coverage": float(seen[target > 0].mean()),
        "token_coverage": float(aim[seen].sum()),
        "cross_entropy": float(-(aim @ np.log(own))),
    }


def kl_floor(target: np.ndarray, n_tokens: int, random: np.random.Generator) -> float:
    """KL(T || S) that a corpus of `n_tokens` drawn from T's own distribution would have: what size alone gives."""
    if not target.sum() or not n_tokens:
        return float("nan")
    aim = target / target.sum()
    draws = [smoothed(random.multinomial(n_tokens, smoothed(target))) for _ in range(_FLOOR_DRAWS)]
    return float(np.mean([kl(aim, one) for one in draws]))
