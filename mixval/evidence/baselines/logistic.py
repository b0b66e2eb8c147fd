"""Logistic regression on fixed features of a contributor's rows, its penalty chosen by cross-validation in them.

Letters: N rows of a contributor; M of T; D features, dense or sparse; C classes. The penalty is the one of `PENALTIES` with the
best log-likelihood of left-out rows, smoothed as on T (`supervised.py`): five folds in which every class is spread
evenly, and rows with equal features stand in one fold, so that repeated rows do not foretell themselves. A fixed penalty is
certain of itself where features are many and labels wrong, and its log-likelihood on T then says little.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.inputs import Labels
from mixval.evidence.baselines.supervised import log_likelihood
from mixval.seeds import generator
from mixval.terms.arrays import Floats

PENALTIES = tuple(10.0**power for power in range(-5, 4))
"""C of scikit-learn, strongest penalty first: one over the strength of the squared penalty, relative to a summed loss."""
PATIENCE = 2
"""Weaker penalties without a better likelihood after which none is tried."""
FOLDS = 5
MOST_STEPS = 2000


def probabilities(
    features: Any,  # (N, D)
    labels: Labels,  # (N,)
    of_target: Any,  # (M, D)
    n_classes: int,
) -> Floats:  # (M, C)
    """Of T's rows; classes that the contributor lacks have none. One class alone has all of it."""
    folds = fold_of_each(features, labels)
    left_out = [folds == fold for fold in np.unique(folds)]
    paths = [_path(features[~out], labels[~out], features[out], n_classes) for out in left_out]
    best, chosen = -np.inf, 0
    for at, found in enumerate(zip(*paths, strict=True)):
        parts = zip(found, left_out, strict=True)
        likelihood = sum(out.sum() * log_likelihood(one, int((~out).sum()), labels[out]) for one, out in parts)
        if likelihood > best:
            best, chosen = likelihood, at
        elif at >= chosen + PATIENCE:
            break
    return next(islice(_path(features, labels, of_target, n_classes), chosen, None))


def fold_of_each(features: Any, labels: Labels) -> np.ndarray:
    """(N,) fold of each row. One fold for all where no two rows differ: then no penalty is better than another."""
    _, first, of_row = np.unique([_content(features[at]) for at in range(len(labels))], return_index=True, return_inverse=True)
    drawn = generator("baselines", "folds").permutation(len(first))
    by_class = drawn[np.argsort(labels[first][drawn], kind="stable")]
    folds = np.empty(len(first), dtype=np.int64)
    folds[by_class] = np.arange(len(first)) % min(FOLDS, len(first))
    return folds[of_row]


def _content(row: Any) -> bytes:
    content: bytes = row.indices.tobytes() + row.data.tobytes() if hasattr(row, "indices") else row.tobytes()
    return content


def _path(features: Any, labels: Labels, of_others: Any, n_classes: int) -> Iterator[Floats]:
    """(M, C) probabilities of other rows under each penalty, each fit starting from the one before."""
    seen = np.unique(labels)
    model = optional("sklearn.linear_model").LogisticRegression(max_iter=MOST_STEPS, warm_start=True)
    for penalty in PENALTIES:
        found = np.zeros((of_others.shape[0], n_classes))
        if len(seen) < 2:  # none where nothing is left to learn from
            found[:, seen] = 1.0
        else:
            model.set_params(C=penalty).fit(features, labels)
            found[:, seen] = model.predict_proba(of_others)
        yield found
