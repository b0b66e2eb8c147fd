"""Scores of texts between real and synthetic, and what scores known texts have that the scorer was not trained on.

The scorer is a logistic regression on words and pairs of words. Of synthetic texts there are several references: `known`,
scores by five-fold cross-validation, and of each generator those by a scorer that was trained without it. The latter are what
texts of a generator that nobody named would look like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

N_FOLDS = 5
WORD = r"\w+|[^\w\s]"
"""A word, or a sign."""
N_FEATURES = 2**18
LEAST_TEXTS = 50
"""Of a generator, so that it is left out by itself; and of each class in all."""
MOST_GENERATORS = 8
KNOWN = "known"
"""Name of the reference of synthetic texts that come from the known generators."""
OTHERS = "other generators"
"""Name of that of texts of several other ones: all that were left out, together."""


@dataclass(frozen=True)
class Scorer:
    """A fitted scorer and its references."""

    models: tuple[Any, ...]
    """One a fold, trained without it."""
    real: np.ndarray
    """(R,) scores of known real texts, by cross-validation."""
    synthetic: Mapping[str, np.ndarray]
    """Reference -> scores of synthetic texts: `KNOWN`, `OTHERS`, then each generator left out."""
    separation: float
    """Area under the ROC curve of the cross-validated scores."""

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """(N,) probability of being synthetic at equal classes: each by one of the models in turn, as the references have it,
        or known and new texts would have scores of scorers that have learnt from different numbers of texts."""
        rows, found = features(texts), np.zeros(len(texts))
        for at, model in enumerate(self.models):
            if len(texts) > at:
                found[at :: len(self.models)] = _probabilities(model, rows[at :: len(self.models)])
        return found


def features(texts: Sequence[str]) -> Any:
    """(N, `N_FEATURES`) sparse: logarithms of counts of words, signs and pairs of them, rows of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import normalize

    count = HashingVectorizer(token_pattern=WORD, ngram_range=(1, 2), n_features=N_FEATURES, alternate_sign=False, norm=None)
    found = count.transform(texts)
    found.data = np.log1p(found.data)
    return normalize(found)


def fit_scorer(real: Sequence[str], synthetic: Sequence[str], generators: Sequence[str], seed: int) -> Scorer:
    """The scorer of known real texts and of synthetic ones, each of a generator."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    rows = features([*real, *synthetic])
    is_synthetic = np.repeat([0, 1], [len(real), len(synthetic)])
    crossed, models, first = np.zeros(len(is_synthetic)), [], np.zeros(len(is_synthetic), bool)
    for train, test in StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(rows, is_synthetic):
        models.append(_fitted(rows[train], is_synthetic[train]))
        crossed[test] = _probabilities(models[-1], rows[test])
        first[test] |= len(models) == 1
    made = np.array([*[""] * len(real), *generators])
    left_out: dict[str, np.ndarray] = {}
    names, sizes = np.unique(np.array(generators), return_counts=True)
    if len(names) > 1:
        for name in names[np.argsort(-sizes, kind="stable")][:MOST_GENERATORS].tolist():
            own = made == name
            others = ~own & ~first
            if own.sum() >= LEAST_TEXTS and is_synthetic[others].sum() >= LEAST_TEXTS:
                left_out[name] = _probabilities(_fitted(rows[others], is_synthetic[others]), rows[own])
    references = {KNOWN: crossed[is_synthetic == 1]}
    if len(left_out) > 1:
        references[OTHERS] = np.concatenate(list(left_out.values()))
    references |= {f"like {name}": scores for name, scores in left_out.items()}
    separation = float(roc_auc_score(is_synthetic, crossed))
    return Scorer(tuple(models), crossed[is_synthetic == 0], references, separation)


def _fitted(rows: Any, is_synthetic: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, solver="liblinear", class_weight="balanced", random_state=0).fit(rows, is_synthetic)


def _probabilities(model: Any, rows: Any) -> np.ndarray:
    return np.asarray(model.predict_proba(rows)[:, 1], float)
