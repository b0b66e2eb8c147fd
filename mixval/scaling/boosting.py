"""Gradient-boosted trees of log loss over mixture weights, as RegMix has (arXiv 2407.01492)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from mixval.scaling.laws import Floats

SETTINGS = {"max_iter": 150, "learning_rate": 0.1, "max_leaf_nodes": 8, "min_samples_leaf": 8, "l2_regularization": 1.0}
"""Small trees: there are hundreds of runs, not thousands."""


def is_installed() -> bool:
    """Whether boosted trees can be fitted: scikit-learn comes with the extra `evidence`."""
    return find_spec("sklearn") is not None


def boosted_fit(weights: Floats, losses: Floats) -> Callable[[Floats], Floats]:
    """Predictions of fitted trees: weights (m, s) -> losses (m,). The same runs give the same trees."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    trees = HistGradientBoostingRegressor(**SETTINGS, early_stopping=False, random_state=0)
    return partial(_predict, trees.fit(weights, np.log(losses)))


def _predict(trees: Any, at: Floats) -> Floats:
    made: Floats = np.exp(trees.predict(at))
    return made
