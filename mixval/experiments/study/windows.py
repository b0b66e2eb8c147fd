"""Which sequences a model is trained on: windows of real and of synthetic streams, in one shuffled order.

Letters: n windows of a training, of which a share r is synthetic; W different windows of a stream. A stream is gone through
in an order of chance, and again in another one where a training takes more than there is. The order is the replicate's, so
that a smaller budget is the beginning of a larger one, and two ratios share their first real windows.
"""

from __future__ import annotations

import numpy as np

from mixval.seeds import generator


def n_windows(n_tokens: int, context: int) -> int:
    """Windows of `context` tokens, each with the token that follows it, that a stream has."""
    return max(n_tokens - 1, 0) // context


def n_synthetic(n: int, per_cent: float) -> int:
    """Synthetic windows of n."""
    return round(n * per_cent / 100)


def epochs(n: int, n_unique: int) -> float:
    """Passes over a stream that n of its windows take."""
    return 0.0 if n == 0 else float("inf") if n_unique == 0 else n / n_unique


def window_order(n: int, n_unique: int, seed: int, name: str) -> np.ndarray:
    """(n,) windows of a stream, pass after pass."""
    random = generator("study", "windows", name, seed)
    passes = [random.permutation(n_unique) for _ in range(-(-n // n_unique))] if n else []
    order: np.ndarray = np.concatenate([*passes, np.empty(0, dtype=np.int64)])[:n].astype(np.int64)
    return order


def mixed_order(n: int, n_of_synthetic: int, seed: int) -> np.ndarray:
    """(n,) whether each sequence is a synthetic one, spread evenly by chance."""
    is_synthetic = np.zeros(n, dtype=bool)
    is_synthetic[:n_of_synthetic] = True
    shuffled: np.ndarray = generator("study", "order", seed, n).permutation(is_synthetic)
    return shuffled


def cut(tokens: np.ndarray, windows: np.ndarray, context: int) -> np.ndarray:
    """(len(windows), context + 1) tokens: inputs are all but the last, targets all but the first."""
    places = windows[:, None] * context + np.arange(context + 1)
    found: np.ndarray = tokens[places].astype(np.int64)
    return found
