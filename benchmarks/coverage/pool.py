"""A pool of rows from which contributors and targets are drawn again and again, with all that the terms need of a row.

Letters: N rows; q gradient features; D features; C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mixval.terms.arrays import Floats
from mixval.terms.replicates import row_multipliers

REPLICATES = 200
WIDTH = 24
"""Hidden units of the synthetic pool's network."""


@dataclass(frozen=True)
class Pool:
    """N rows."""

    gradients: Floats
    """(N, q) of the mix of the outputs."""
    features: Floats
    """(N, D)."""
    labels: npt.NDArray[np.int64]
    """(N,) class indices."""
    losses: Floats
    """(N,) nats."""
    n_classes: int
    """C."""

    def __len__(self) -> int:
        """Rows."""
        return len(self.labels)

    @cached_property
    def multipliers(self) -> Floats:
        """(R, N + 1) of the rows, and of one that is only guessed. Draws differ in their rows, so one seed does for all."""
        keys = np.append(keys_of(np.arange(len(self))), np.uint64(0))
        return row_multipliers(keys, REPLICATES, 0)


def keys_of(rows: np.ndarray) -> npt.NDArray[np.uint64]:
    """Content keys of rows of a pool."""
    return (rows + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def synthetic_pool(n_rows: int, n_classes: int, separation: float, seed: int = 0) -> Pool:
    """Gaussian classes with means `separation` apart in units of their spread, under a random network of one hidden layer.

    Gradients are those of its output, with respect to all weights.
    """
    drawn = np.random.default_rng(seed)
    size = 12
    labels = drawn.integers(0, n_classes, n_rows)
    x = (drawn.normal(size=(n_classes, size)) * separation)[labels] + drawn.normal(size=(n_rows, size)) + 1.0
    inner, outer = drawn.normal(size=(WIDTH, size)) / np.sqrt(size), drawn.normal(size=WIDTH) / np.sqrt(WIDTH)
    hidden = x @ inner.T
    of_inner = ((hidden > 0) * outer)[:, :, None] * x[:, None, :]
    active = np.maximum(hidden, 0)
    gradients = np.concatenate([of_inner.reshape(n_rows, -1), active / np.sqrt(WIDTH)], axis=1)
    logits = active @ (drawn.normal(size=(WIDTH, n_classes)) / np.sqrt(WIDTH))
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(n_rows), labels]
    return Pool(gradients, active, labels, losses, n_classes)
