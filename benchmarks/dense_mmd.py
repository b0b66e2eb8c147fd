"""The discrepancy term of Eq. 8 the obvious way: a kernel value a pair of rows, a loop over pairs, a feature map a row.

Of mixval only the frequencies that it draws for random features are used, and its seeds; no code is shared with its terms.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from benchmarks.dense_rows import DenseRows
from mixval.config.terms import DiscrepancyConfig
from mixval.terms.discrepancy.random_features import fourier_features

Array = NDArray[np.float64]
Places = list[int]


def squared_mmd(
    t: Array,  # (M, D)
    s: Array,  # (N, D)
    widths: list[float],
    switches: DiscrepancyConfig,
    seed: int,
) -> float:
    """Squared MMD between two sets of rows by the configured method, before it is clamped."""
    if switches.method == "random-features":
        tt, ss, ts = _by_feature_map(t, s, widths, switches, seed)
    else:
        kernel = [[[_kernel(x, y, widths, switches.combine) for y in b] for x in a] for a, b in ((t, t), (s, s), (t, s))]
        tt, ss, ts = (np.array(values) for values in kernel)
    if switches.estimator == "biased":
        return float(tt.mean() + ss.mean() - 2 * ts.mean())
    return _mean_off_diagonal(tt) + _mean_off_diagonal(ss) - 2 * float(ts.mean())


def clamped(squared: float, switches: DiscrepancyConfig) -> float:
    """The part's value: at least 0, and the root if asked for."""
    return math.sqrt(max(squared, 0.0)) if switches.scale == "root" else max(squared, 0.0)


def bandwidths(target: DenseRows, of_target: Places, switches: DiscrepancyConfig) -> list[float]:
    """As given, or multiples of the median distance between two rows of T."""
    if isinstance(switches.bandwidths, list):
        return switches.bandwidths
    median = median_distance(features(target, of_target, switches))
    return [median * multiplier for multiplier in switches.multipliers]


def median_distance(rows: Array) -> float:
    """Median distance between two rows."""
    return float(np.median([np.linalg.norm(x - y) for x, y in itertools.combinations(rows, 2)]))


def compared(rows: DenseRows, places: Places, switches: DiscrepancyConfig, median: float) -> Array:
    """(n, D) what the kernel compares: features, and where asked for a one-hot label, unlike ones `labels` medians apart."""
    own = features(rows, places, switches)
    if switches.labels is None or rows.classes is None:
        return own
    side = switches.labels * median / math.sqrt(2)  # of the square whose diagonal is the distance
    marks = [[side * (rows.rows[i]["label"] == one) for one in rows.classes] for i in places]
    return np.concatenate([own, np.array(marks)], axis=1)


def features(rows: DenseRows, places: Places, switches: DiscrepancyConfig) -> Array:
    """(n, D) without labels."""
    if switches.features == "backbone-and-answer":
        return np.concatenate([rows.features, rows.answer_features], axis=1)[places]
    return (rows.pixels if switches.features == "pixels" else rows.features)[places]


def _by_feature_map(t: Array, s: Array, widths: list[float], switches: DiscrepancyConfig, seed: int) -> tuple[Array, ...]:
    """Matrices of <phi(x), phi(y)> in place of the kernel."""
    drawn = fourier_features(widths, t.shape[1], switches.frequencies, seed, switches.combine)
    each = {
        place: (1 / len(widths) if switches.combine == "mean" else 1.0) / n for place, n in enumerate(drawn.settings.counts)
    }
    weights = [each[place] for place, n in enumerate(drawn.settings.counts) for _ in range(n)]

    def phi(x: Array) -> Array:
        angles = [float(w @ x) for w in drawn.frequencies]
        waves = [(math.cos(a), math.sin(a)) for a in angles]
        return np.array([math.sqrt(weight) * wave for weight, pair in zip(weights, waves, strict=True) for wave in pair])

    maps_t, maps_s = np.array([phi(x) for x in t]), np.array([phi(x) for x in s])
    return maps_t @ maps_t.T, maps_s @ maps_s.T, maps_t @ maps_s.T


def _kernel(x: Array, y: Array, widths: list[float], combine: str) -> float:
    squared = float(((x - y) ** 2).sum())
    values = [math.exp(-squared / (2 * width**2)) for width in widths]
    return sum(values) / (len(values) if combine == "mean" else 1)


def _mean_off_diagonal(kernel: Array) -> float:
    n = len(kernel)
    return float(sum(kernel[i, j] for i in range(n) for j in range(n) if i != j)) / (n * (n - 1))
