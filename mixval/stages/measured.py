"""One term of one contributor as measured: its value, its errors and replicates, and what goes into `terms.parquet`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixval.contracts.parts import PARTS
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import NTK_REGRESSION, terms_schema
from mixval.stages.jobs import MeasureJob
from mixval.terms.half_samples import half_masks

SMALLEST_HALVED = 4
"""A part with fewer rows is whole in every replicate: half of it would be too few for an unbiased MMD."""

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]


class Measured:
    """One term of one contributor."""

    def __init__(self, value: float, shifts: Floats, n: int, error: float | None, diagnostics: dict[str, Any]) -> None:
        """A term with its deviations (R,), rows, closed-form standard error and diagnostics."""
        self.value, self.deviations, self.n, self.error, self.diagnostics = value, shifts, n, error, diagnostics
        self.parts: dict[str, tuple[float, float | None, int, dict[str, Any]]] = {}
        self.more: dict[str, Floats] = {}
        """Further arrays to be committed, by name."""

    def standard_error(self, shifts: Floats) -> float:
        """Of the term: in closed form where there is one, else the half-samples' spread; 0 when neither is known."""
        if self.error is not None:
            return self.error
        return float(shifts.std(ddof=1)) if len(shifts) > 1 else 0.0


def half_sample_masks(job: MeasureJob, keys: np.ndarray, is_real: Masks) -> Masks:
    """(R, N) the rows that each replicate keeps; too small a part is whole."""
    masks = half_masks(keys.astype(np.uint64), is_real, job.value.half_samples, job.seed)
    for _, rows in parts_with_rows(is_real):
        if rows.sum() < SMALLEST_HALVED:
            masks[:, rows] = True
    return masks


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
        "standard_errors": np.array([one.standard_error(one.deviations) for one in found]),
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
        named.append((NTK_REGRESSION, regression, regression.standard_error(regression.deviations)))
    tables = {"terms": terms_table(job, named)}
    numbers = {term: one.value for term, one, _ in named}
    job.store.commit(ref, inputs=inputs, tensors=tensors, tables=tables, numbers=numbers, seconds=seconds)
    return ref


def terms_table(job: MeasureJob, measured: Sequence[tuple[str, Measured, float]]) -> pa.Table:
    """(one row a term and part) the schema `terms_schema()`, from names, terms and standard errors."""
    rows = []
    for term, one, error in measured:
        listed = [("all", (one.value, float(error), one.n, one.diagnostics)), *one.parts.items()]
        for part, (estimate, standard_error, n, diagnostics) in listed:
            rows.append(
                {
                    "contributor": job.contributor.name,
                    "part": part,
                    "term": term,
                    "estimate": estimate,
                    "standard_error": standard_error,
                    "n": n,
                    "diagnostics": json.dumps(diagnostics, sort_keys=True),
                }
            )
    return pa.Table.from_pylist(rows, schema=terms_schema())
