"""The two estimators of the MMD with one signature: T's side is made once, and every part is compared with it.

    exact            all pairs (`mmd.py`): M N + N^2 kernel values a part
    random-features  means of F Fourier features (`random_features.py`): N F cosines, with an error of the frequencies

Each gives an estimate with the effects of its rows, and (R,) deviations of its value from them. A row's multiplier is that of
the other terms, and T's rows have the same for every part. Random features know their rows by groups alone: a group has its
rows' multipliers together. The error of the frequencies is not in the deviations: all contributors share the frequencies.

Letters: M rows of T, N of a part, D features, R replicates, F frequencies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixval.terms.arrays import Floats
from mixval.terms.discrepancy.kernel import Combine
from mixval.terms.discrepancy.mmd import Estimator, MmdEstimate, Scale, measure_part, mmd_deviations, target_statistics
from mixval.terms.discrepancy.random_features import embed, embedding_mmd, fourier_features
from mixval.terms.replicates import GROUPS, Keys, row_groups

Method = Literal["exact", "random-features"]


@dataclass(frozen=True)
class Rows:
    """Rows of T or of a part."""

    features: Floats
    """(N, D)."""
    keys: Keys
    """(N,) content keys."""
    multipliers: Floats
    """(R, N) of replicates (`mixval/terms/replicates.py`)."""


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
"""From a part to its MMD against T and (R,) deviations of its value. Raises as the form's own module."""


def exact(target: Rows, form: Form) -> Against:
    """All pairs of rows."""
    statistics = target_statistics(target.features, form.bandwidths, form.combine)

    def against(part: Rows) -> tuple[MmdEstimate, Floats]:
        found = measure_part(statistics, part.features, form.estimator, form.scale)
        return found, mmd_deviations(found, form.scale, target.multipliers, part.multipliers)

    return against


def random_features(target: Rows, form: Form) -> Against:
    """Means of Fourier features of all rows."""
    drawn = fourier_features(form.bandwidths, target.features.shape[1], form.n_frequencies, form.seed, form.combine)
    whole, of_target = embed(drawn, target.features, target.keys), _by_group(target, form.seed)

    def against(part: Rows) -> tuple[MmdEstimate, Floats]:
        found = embedding_mmd(whole, embed(drawn, part.features, part.keys), form.estimator, form.scale)
        return found, mmd_deviations(found, form.scale, of_target, _by_group(part, form.seed))

    return against


def _by_group(rows: Rows, seed: int) -> Floats:
    """(R, G) the sum of each group's multipliers over the root of its rows."""
    belongs = (np.arange(GROUPS)[:, None] == row_groups(rows.keys, seed)).astype(np.float64)
    return np.asarray(rows.multipliers @ belongs.T / np.sqrt(np.maximum(belongs.sum(axis=1), 1)))


FORMS: dict[Method, Callable[[Rows, Form], Against]] = {
    "exact": exact,
    "random-features": random_features,
}
