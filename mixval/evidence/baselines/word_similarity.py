"""Similarity of a contributor's words to T's: the cosine of their mean TF-IDF vectors (Salton and Buckley 1988)."""

from __future__ import annotations

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats


def word_similarity(inputs: Inputs, _: int) -> Floats:
    """(K,) cosines, 0 to 1."""
    vectors = inputs.word_counts()
    target = _direction(vectors.target)
    return np.array([_direction(rows) @ target for rows in vectors.contributors])


def _direction(rows: object) -> Floats:
    mean = np.asarray(rows.mean(axis=0), dtype=np.float64).ravel()  # type: ignore[attr-defined]  # sparse, untyped
    length = float(np.linalg.norm(mean))
    return mean / length if length > 0 else mean
