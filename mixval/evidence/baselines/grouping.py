"""Rows of all contributors in one array, contributor after contributor."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from mixval.terms.arrays import Floats


def runs(sizes: Sequence[int]) -> list[slice]:
    """(K,) where each contributor's rows stand."""
    return [slice(low, high) for low, high in itertools.pairwise([0, *itertools.accumulate(sizes)])]


def by_contributor(rows: Floats, sizes: Sequence[int]) -> Floats:
    """(K,) sums over each contributor's rows (N,)."""
    return np.array([rows[own].sum() for own in runs(sizes)])
