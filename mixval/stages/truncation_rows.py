"""Rows of the table of truncation from counts of synthetic rows and of what they are held against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mixval.contracts.truncation import Over, Reference
from mixval.corpus.frequencies import excess_variance
from mixval.corpus.jackknife import Estimate
from mixval.corpus.truncation import truncation

LEAST = 20
"""Rows or tokens of a reference that synthetic ones are held against."""


def truncation_rows(over: Over, synthetic: np.ndarray, references: Mapping[Reference, np.ndarray]) -> list[dict[str, Any]]:
    """The columns of `TRUNCATION` but the contributor, in JSON values: a row a reference. Counts are (G, V) by group of rows
    that are independent of other groups, or (1, V) where all rows are independent."""
    if synthetic.sum() < LEAST:
        return []
    return [_row(over, name, synthetic, reference) for name, reference in references.items() if reference.sum() >= LEAST]


def _row(over: Over, name: Reference, synthetic: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    spreads = excess_variance(reference), excess_variance(synthetic)
    found = truncation(reference.sum(axis=0), synthetic.sum(axis=0), *spreads)
    return {
        "over": over,
        "reference": name,
        "n_reference": found.n_reference,
        "n_synthetic": found.n_synthetic,
        "n_things": found.n_things,
        **_columns("cut_rank", found.cut),
        **_columns("softness", found.softness),
        **_columns("lost_mass", found.lost),
        "n_lacking": found.n_lacking,
        "lacking_mass": found.lacking,
        "reason": found.reason or None,
    }


def _columns(name: str, found: Estimate) -> dict[str, float | None]:
    named = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return {column: value if math.isfinite(value) else None for column, value in named.items()}
