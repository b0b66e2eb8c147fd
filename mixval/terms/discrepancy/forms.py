"""The two estimators of the MMD with one signature: T's side is made once, and every part is compared with it.

    exact            all pairs (`mmd.py`): M N + N^2 kernel values a part
    random-features  means of F Fourier features (`random_features.py`): N F cosines, with an error of the frequencies

Each gives an estimate and (R,) replicates of it whose deviations from their mean spread as the estimate does. Replicate r is
the form on the half of the rows that the masks keep, of T and of the part; so it shares its rows with the other terms'
replicate r, and keeps the same half of T for every part. The error of the frequencies is not in the replicates: all
contributors share the frequencies.

Letters: M rows of T, N of a part, D features, R replicates, F frequencies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixval.terms.arrays import Floats, Masks, row_masks
from mixval.terms.discrepancy.kernel import Combine
from mixval.terms.discrepancy.mmd import Estimator, MmdEstimate, Scale, measure_part, scaled, squared_mmd, target_statistics
from mixval.terms.discrepancy.random_features import embed_with_halves, embedding_mmd, fourier_features
from mixval.terms.half_samples import Keys

Method = Literal["exact", "random-features"]


@dataclass(frozen=True)
class Rows:
    """Rows of T or of a part."""

    features: Floats
    """(N, D)."""
    keys: Keys
    """(N,) content keys."""
    masks: Masks
    """(R, N) rows that each replicate keeps."""


@dataclass(frozen=True)
class Form:
    """Settings of all forms; each uses those that concern it."""

    bandwidths: tuple[float, ...]
    """Standard deviations s, in feature units."""
    combine: Combine
    estimator: Estimator
    scale: Scale
    n_frequencies: int
    """Of `random-features`, over all bandwidths."""
    seed: int
    """Of the frequencies."""


Against = Callable[[Rows], tuple[MmdEstimate, Floats]]
"""From a part to its MMD against T and (R,) replicates of it. Raises as the form's own module."""


def exact(target: Rows, form: Form) -> Against:
    """All pairs of rows."""
    statistics = target_statistics(target.features, form.bandwidths, form.combine, target.masks)
    return lambda part: measure_part(statistics, part.features, form.estimator, form.scale, part.masks)


def random_features(target: Rows, form: Form) -> Against:
    """Means of Fourier features, of all rows and of each half."""
    drawn = fourier_features(form.bandwidths, target.features.shape[1], form.n_frequencies, form.seed, form.combine)
    masks = row_masks("masks of T", target.masks, len(target.features))
    whole, halves = embed_with_halves(drawn, target.features, target.keys, masks)
    m, at_zero = masks.sum(axis=1).astype(np.float64), drawn.kernel.at_zero
    within = (halves**2).sum(axis=1) - m * at_zero

    def against(part: Rows) -> tuple[MmdEstimate, Floats]:
        kept = row_masks("masks of the part", part.masks, len(part.features))
        own, own_halves = embed_with_halves(drawn, part.features, part.keys, kept)
        n = kept.sum(axis=1).astype(np.float64)
        sums = within, (own_halves**2).sum(axis=1) - n * at_zero, (halves * own_halves).sum(axis=1)
        replicates = scaled(squared_mmd(*sums, m, n, at_zero, form.estimator), form.scale)
        return embedding_mmd(whole, own, form.estimator, form.scale), replicates

    return against


FORMS: dict[Method, Callable[[Rows, Form], Against]] = {
    "exact": exact,
    "random-features": random_features,
}
