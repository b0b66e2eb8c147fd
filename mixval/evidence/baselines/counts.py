"""Rankings that use no content: the baseline that any method must beat."""

from __future__ import annotations

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.seeds import generator
from mixval.terms.arrays import Floats


def random(inputs: Inputs, seed: int) -> Floats:
    """(K,) numbers without meaning."""
    return generator("baselines", "random", seed).random(len(inputs.contributors))


def size(inputs: Inputs, _: int) -> Floats:
    """(K,) rows."""
    return np.array([one.n_rows for one in inputs.contributors], dtype=np.float64)


def real_share(inputs: Inputs, _: int) -> Floats:
    """(K,) pi, the share of real rows."""
    return np.array([one.n_real / one.n_rows for one in inputs.contributors])


def real_rows(inputs: Inputs, _: int) -> Floats:
    """(K,) real rows, pi times size."""
    return np.array([one.n_real for one in inputs.contributors], dtype=np.float64)
