"""Rolling validation: what a fit to smaller runs says of larger ones, along sizes and along data.

along params:  fit all runs of smaller models, predict one of the largest sizes
along tokens:  within each size (and corpus size), leave out the runs with most data, predict those just beyond
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixval.scaling.laws import Floats

MOST_FOLDS = 3
"""An axis, from its far end."""
LEAST_LEVELS = 3
"""Distinct values of the axis that a fit needs before it predicts the next."""
NOT_ROLLED = 1_000_000


@dataclass(frozen=True)
class Fold:
    """Runs to fit and runs to predict, by position."""

    axis: str
    """`params` or `tokens`."""
    fitted: NDArray[np.bool_]
    predicted: NDArray[np.bool_]


def rolling_folds(columns: dict[str, Floats]) -> list[Fold]:
    """Folds of a table with columns `params`, `tokens` or both, the farthest first on each axis; none where it is too small."""
    return [*_along_params(columns), *_along_tokens(columns)]


def _along_params(columns: dict[str, Floats]) -> list[Fold]:
    sizes = columns.get("params")
    if sizes is None:
        return []
    levels = np.unique(sizes)
    folds = []
    for size in levels[::-1][:MOST_FOLDS]:
        below = sizes < size
        if len(np.unique(sizes[below])) >= LEAST_LEVELS:
            folds.append(Fold("params", below, sizes == size))
    return folds


def _along_tokens(columns: dict[str, Floats]) -> list[Fold]:
    tokens = columns.get("tokens")
    if tokens is None:
        return []
    others = [columns[name] for name in ("params", "unique_tokens") if name in columns]
    keys = np.unique(np.stack([np.zeros(len(tokens)), *others]), axis=1, return_inverse=True)[1].ravel()
    places = np.full(len(tokens), NOT_ROLLED)
    for key in np.unique(keys):
        own = np.flatnonzero(keys == key)
        levels = np.unique(tokens[own])
        if len(levels) > LEAST_LEVELS:
            places[own] = len(levels) - 1 - np.searchsorted(levels, tokens[own])
            places[own[places[own] >= len(levels) - LEAST_LEVELS]] = NOT_ROLLED
    folds = [Fold("tokens", places > back, places == back) for back in range(MOST_FOLDS)]
    return [one for one in folds if one.predicted.any()]
