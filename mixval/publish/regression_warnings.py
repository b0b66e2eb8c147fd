"""Warnings about a ranking by NTK regression, found in its own numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from mixval.contracts.results import NTK_REGRESSION
from mixval.contracts.warnings import RunWarning, warning
from mixval.publish.numerals import count, counted
from mixval.publish.run_warnings import diagnostics_of
from mixval.publish.value_kind import kind_of
from mixval.terms.ntk.objective import damping_excess

DOUBLED_DAMPING = 1.0
"""Relative increase of lambda by the sketch from which there is a warning. Lambdas of 0.01 to 0.1 give similar rankings
(docs/laboratory.md)."""


def regression_warnings(ranking: pa.Table, terms: pa.Table) -> list[RunWarning]:
    """Every warning that the values give; none where they are Eq. 8's."""
    if not ranking.num_rows or kind_of(ranking).adds_terms:
        return []
    rows = ranking.to_pylist()
    return [*_sampled(rows, terms), *_guessing(rows), *_full(terms)]


def _sampled(rows: list[dict[str, Any]], terms: pa.Table) -> Iterator[RunWarning]:
    measured = {row["contributor"]: row["n"] for row in terms.to_pylist() if row["term"] == NTK_REGRESSION}
    used = [measured.get(row["contributor"], row["n_sampled"]) for row in rows]
    if any(n < row["n_rows"] for n, row in zip(used, rows, strict=True)):
        by_gradients = used == [row["n_sampled"] for row in rows]
        which, more = ("whose gradients were taken", "ntk.sample") if by_gradients else ("that were read", "sample")
        words = (
            f"Values are computed from the {count(min(used))} to {counted(max(used), 'row')} per contributor {which}. Further "
            f"rows are not included, so large contributors are undervalued. Raise {more}, or set ntk.method: sketched and "
            "raise sample."
        )
        yield warning("value-of-sampled-rows", words)


def _guessing(rows: list[dict[str, Any]]) -> Iterator[RunWarning]:
    guessing = [
        row["contributor"]
        for row in rows
        if row["value_of_empty"] is not None and row["value"] <= row["value_of_empty"] + 1e-6 * abs(row["value_of_empty"])
    ]
    if guessing:
        words = (
            "These contributors' values are not above that of training on no rows, so their order among themselves is not "
            "reliable."
        )
        yield warning("no-better-than-guessing", words, guessing)


def _full(terms: pa.Table) -> Iterator[RunWarning]:
    found = [(row["contributor"], diagnostics_of(row)) for row in terms.to_pylist() if row["term"] == NTK_REGRESSION]
    sketched = [(name, entry) for name, entry in found if "sketch_features" in entry]
    full = [n for n, one in sketched if damping_excess(one["effective_rank"] / one["sketch_features"]) > DOUBLED_DAMPING]
    if full:
        words = (
            "The gradient sketch is too small: it at least doubles the damping of the regression (see effective_rank in "
            "terms.parquet). Raise ntk.sketch_features or value.damping."
        )
        yield warning("full-sketch-regression", words, full)
