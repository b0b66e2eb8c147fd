"""One term of one contributor as measured: its value, its errors and replicates, and what goes into `terms.parquet`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixval.contracts.parts import PARTS
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import NTK_REGRESSION, terms_schema
from mixval.stages.jobs import MeasureJob
from mixval.terms.replicates import interval, row_multipliers

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]


class Part(NamedTuple):
    """A term's part, before pi."""

    value: float
    standard_error: float | None
    n: int
    diagnostics: dict[str, Any]
    deviations: Floats
    """(R,)."""


def spread_of(shifts: Floats) -> float | None:
    """Standard deviation of (R,) deviations; None where it is unknown."""
    return float(shifts.std(ddof=1)) if len(shifts) > 1 and np.isfinite(shifts).all() else None


class Measured:
    """One term of one contributor."""

    def __init__(self, value: float, shifts: Floats, n: int, error: float | None, diagnostics: dict[str, Any]) -> None:
        """A term with its deviations (R,), rows, closed-form standard error and diagnostics."""
        self.value, self.deviations, self.n, self.error, self.diagnostics = value, shifts, n, error, diagnostics
        self.parts: dict[str, Part] = {}
        self.more: dict[str, Floats] = {}
        """Further arrays to be committed, by name."""

    def standard_error(self) -> float:
        """Of the term: in closed form where there is one, else the replicates' spread; 0 without replicates, NaN if unknown."""
        if self.error is not None:
            return self.error
        found = spread_of(self.deviations)
        return found if found is not None else math.nan if len(self.deviations) > 1 else 0.0


def multipliers(job: MeasureJob, keys: np.ndarray) -> Floats:
    """(R, N) of rows with these content keys (N,)."""
    return row_multipliers(keys.astype(np.uint64), job.value.replicates, job.seed)


def target_multipliers(target: MeasureJob, keys: np.ndarray) -> Floats:
    """(R, M + 1) of T's rows, and of one that is only guessed (`mixval/terms/ntk/value_spread.py`)."""
    return multipliers(target, np.append(keys.astype(np.uint64), np.uint64(0)))


def parts_with_rows(is_real: Masks) -> list[tuple[str, Masks]]:
    """The parts that have rows, in the order of `PARTS`."""
    return [(part, rows) for part, rows in zip(PARTS, (is_real, ~is_real), strict=True) if rows.any()]


def mixed_replicates(replicates: Mapping[str, Floats], job: MeasureJob) -> Floats:
    """(R,) pi times the real part's replicates and the rest of the synthetic part's."""
    total = job.n_real + job.n_synthetic
    return np.asarray(sum(values * (job.rows_by_part[part] / total) for part, values in replicates.items()))


def commit_terms(
    job: MeasureJob,
    ref: ArtifactRef,
    inputs: dict[str, object],
    measured: Mapping[str, Measured],
    regression: Measured | None,
    seconds: float,
) -> ArtifactRef:
    """Commit the measured terms, by name and in the order of `TERMS`, the regression value if any, and their further arrays."""
    found = list(measured.values())
    tensors = {
        "terms": np.array([one.value for one in found]),
        "standard_errors": np.array([one.standard_error() for one in found]),
        "deviations": np.stack([one.deviations for one in found], axis=1),
        "n_gradient_rows": np.array([measured["ntk"].n]),
    }
    for one in found:
        tensors |= one.more
    named = list(zip(measured, found, tensors["standard_errors"], strict=True))
    if regression is not None:
        tensors |= {
            "regression_value": np.array([regression.value]),
            "regression_deviations": regression.deviations,
            **regression.more,
        }
        named.append((NTK_REGRESSION, regression, regression.standard_error()))
    tables = {"terms": terms_table(job, named)}
    numbers = {term: one.value for term, one, _ in named}
    job.store.commit(ref, inputs=inputs, tensors=tensors, tables=tables, numbers=numbers, seconds=seconds)
    return ref


def terms_table(job: MeasureJob, measured: Sequence[tuple[str, Measured, float]]) -> pa.Table:
    """(one row a term and part) the schema `terms_schema()`, from names, terms and standard errors."""
    rows = []
    for term, one, error in measured:
        known = None if math.isnan(error) else float(error)
        listed = [("all", Part(one.value, known, one.n, one.diagnostics, one.deviations)), *one.parts.items()]
        for part, found in listed:
            low, high = interval(found.value, found.deviations, job.value.confidence)
            rows.append(
                {
                    "contributor": job.contributor.name,
                    "part": part,
                    "term": term,
                    "estimate": found.value,
                    "standard_error": found.standard_error,
                    "low": low,
                    "high": high,
                    "n": found.n,
                    "diagnostics": json.dumps(found.diagnostics, sort_keys=True),
                }
            )
    return pa.Table.from_pylist(rows, schema=terms_schema())
