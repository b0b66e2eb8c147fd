"""The real share by maximum likelihood from which words documents have (Liang et al. 2024), without a classifier.

With p and q the shares of known real and synthetic documents that have a word, a document x has the likelihoods

    P(x) = prod_{w in x} p(w) prod_{w not in x} (1 - p(w)),    Q(x) the same with q,

and the share maximises sum_i log(a P(x_i) + (1 - a) Q(x_i)). Words are taken as independent, which they are not: it is told
beside the other estimate, and has no interval of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from mixval.corpus.origin.scoring import WORD

N_WORDS = 2000
"""Most frequent words of the known documents."""


class WordShares:
    """What known documents have."""

    def __init__(self, real: Sequence[str], synthetic: Sequence[str]) -> None:
        """Count the known documents."""
        from sklearn.feature_extraction.text import CountVectorizer

        self._count = CountVectorizer(binary=True, max_features=N_WORDS, token_pattern=WORD)
        rows = self._count.fit_transform([*real, *synthetic])
        p, q = _shares(rows[: len(real)]), _shares(rows[len(real) :])
        self._weights = np.log(p / q) - np.log((1 - p) / (1 - q))
        self._offset = float(np.log((1 - p) / (1 - q)).sum())

    def real_share(self, texts: Sequence[str]) -> float:
        """The real share of other documents."""
        ratios = np.asarray(self._count.transform(texts) @ self._weights, float).ravel() + self._offset

        def loss(share: float) -> float:  # less log Q, which no share changes
            return -float(np.logaddexp(np.log(share) + ratios, np.log1p(-share)).sum())

        return float(minimize_scalar(loss, bounds=(1e-6, 1 - 1e-6), method="bounded").x)


def _shares(rows: Any) -> np.ndarray:
    """Share of the documents that have each word, half a document added on either side."""
    return np.asarray((rows.sum(axis=0) + 0.5) / (rows.shape[0] + 1), float).ravel()
