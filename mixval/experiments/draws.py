"""Which rows a model is trained on: n draws with replacement from real data and from real data cut beyond a rank.

Letters: N rows there are, C classes, n rows drawn. Each draw takes the real part with probability pi, a rank by Zipf's law
over all classes or over the first k, then a row of that class. The first rows of a long sample are the shorter one.
"""

from __future__ import annotations

import numpy as np

from mixval.errors import ContractError
from mixval.scaling.laws import Floats
from mixval.seeds import generator


def ranked_classes(classes: list[int], seed: int) -> np.ndarray:
    """(C,) labels by rank, the most frequent first: an order drawn from the seed, lest a rank be always the same class."""
    ordered: np.ndarray = generator("experiment", "ranks", seed).permutation(np.array(classes, dtype=np.int64))
    return ordered


def zipf(n_classes: int, beta: float, kept: int | None = None) -> Floats:
    """(C,) shares i^-beta, scaled to one, of all classes or of the first `kept`, the others having none."""
    shares = np.arange(1, n_classes + 1, dtype=float) ** -beta
    shares[n_classes if kept is None else kept :] = 0.0
    scaled: Floats = shares / shares.sum()
    return scaled


def drawn_rows(
    labels: np.ndarray, ranked: np.ndarray, shares: tuple[Floats, Floats], real: float, n: int, seed: int
) -> np.ndarray:
    """(n,) positions in `labels` (N,). `shares` (C,) are those of real data and of the cut part, by rank.

    Raises ContractError for a class without a row.
    """
    counts = np.array([np.count_nonzero(labels == label) for label in ranked])
    if not counts.all():
        missing = ranked[counts == 0].tolist()
        raise ContractError(
            f"rows: expected some of every class, found none of {missing[:5]}. Add rows, or leave the class out."
        )
    order = np.concatenate([np.flatnonzero(labels == label) for label in ranked])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    chance = generator("experiment", "rows", seed).random((n, 3))
    real_rank, cut_rank = (np.searchsorted(np.cumsum(part), chance[:, 1], side="right") for part in shares)
    last = [int(np.flatnonzero(part)[-1]) for part in shares]  # a sum of shares may end below 1 by rounding
    rank = np.where(chance[:, 0] < real, np.minimum(real_rank, last[0]), np.minimum(cut_rank, last[1]))
    positions: np.ndarray = order[starts[rank] + np.floor(chance[:, 2] * counts[rank]).astype(np.int64)]
    return positions
