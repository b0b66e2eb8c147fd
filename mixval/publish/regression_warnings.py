"""What a reader should not trust in a ranking by regression on the tangent kernel, found in its own numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from mixval.contracts.results import NTK_REGRESSION
from mixval.publish.numerals import count, counted
from mixval.publish.run_warnings import RunWarning, diagnostics_of
from mixval.publish.value_kind import kind_of
from mixval.terms.ntk.objective import damping_excess

DOUBLED_DAMPING = 1.0
"""How far a sketch may lift lambda, relative, before it is named: from 0.01 to 0.1 values rank alike (docs/laboratory.md)."""


def regression_warnings(ranking: pa.Table, terms: pa.Table, n_classes: int | None = None) -> list[RunWarning]:
    """Every warning that the values give; none where they are Eq. 8's. `n_classes` is None for causal LMs."""
    if not ranking.num_rows or kind_of(ranking).adds_terms:
        return []
    rows = ranking.to_pylist()
    return [*_sampled(rows, terms), *_guessing(rows, n_classes), *_full(terms)]


def _sampled(rows: list[dict[str, Any]], terms: pa.Table) -> Iterator[RunWarning]:
    told = {row["contributor"]: row["n"] for row in terms.to_pylist() if row["term"] == NTK_REGRESSION}
    of = [told.get(row["contributor"], row["n_sampled"]) for row in rows]
    if any(n < row["n_rows"] for n, row in zip(of, rows, strict=True)):
        by_gradients = of == [row["n_sampled"] for row in rows]
        which, more = ("whose gradients were taken", "ntk.sample") if by_gradients else ("that were read", "sample")
        words = (
            f"Values are of the {count(min(of))} to {counted(max(of), 'row')} a contributor {which}. What other rows would "
            f"add is not in them, so large contributors look smaller than they are. Raise {more}, or set ntk.method: "
            "sketched and raise sample."
        )
        yield RunWarning(kind="value-of-sampled-rows", words=words)


def _guessing(rows: list[dict[str, Any]], n_classes: int | None) -> Iterator[RunWarning]:
    nothing = 0.0 if n_classes is None else -math.log(n_classes)
    guessing = [row["contributor"] for row in rows if row["value"] <= nothing + 1e-6 * abs(nothing)]
    if guessing:
        words = "Training on these rows is predicted to be no better than none, so their order among themselves says little."
        yield RunWarning(kind="no-better-than-guessing", words=words, contributors=guessing)


def _full(terms: pa.Table) -> Iterator[RunWarning]:
    found = [(row["contributor"], diagnostics_of(row)) for row in terms.to_pylist() if row["term"] == NTK_REGRESSION]
    sketched = [(name, told) for name, told in found if "sketch_features" in told]
    full = [n for n, told in sketched if damping_excess(told["effective_rank"] / told["sketch_features"]) > DOUBLED_DAMPING]
    if full:
        words = (
            "The gradient sketch damps the regression at least twice as much as asked for (see effective_rank in "
            "terms.parquet). Raise ntk.sketch_features or value.damping."
        )
        yield RunWarning(kind="full-sketch-regression", words=words, contributors=full)
