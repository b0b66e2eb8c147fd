"""Warnings about a ranking by NTK regression, found in its own numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from mixval.contracts.results import NTK_REGRESSION
from mixval.contracts.warnings import RunWarning, warning
from mixval.publish.numerals import count, counted, percent
from mixval.publish.run_warnings import diagnostics_of
from mixval.publish.value_kind import kind_of
from mixval.terms.ntk.objective import damping_excess
from mixval.terms.ntk.regression import LEAST_CENTRED
from mixval.terms.ntk.two_phase import LEAST_SHARE

DOUBLED_DAMPING = 1.0
"""Relative increase of lambda by the sketch from which there is a warning. Lambdas of 0.01 to 0.1 give similar rankings
(docs/laboratory.md)."""


def regression_warnings(ranking: pa.Table, terms: pa.Table) -> list[RunWarning]:
    """Every warning that the values give; none where they are Eq. 8's."""
    if not ranking.num_rows or kind_of(ranking).adds_terms:
        return []
    rows = ranking.to_pylist()
    return [*_sampled(rows, terms), *_guessing(rows), *_harm(rows), *_full(terms), *_decided(terms), *_unknown(rows)]


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


def _harm(rows: list[dict[str, Any]]) -> Iterator[RunWarning]:
    harmful = [
        row["contributor"]
        for row in rows
        if row["value_of_empty"] is not None
        and row["value_kind"] == "minus-cross-entropy-nats"
        and row["value_high"] is not None
        and row["value_high"] < row["value_of_empty"]
    ]
    if harmful:
        words = (
            "Training on these rows is predicted to make the model worse than no training, as wrong labels do: look at their "
            "labels. How far a value lies below that of no rows is what the reversed labels would gain, and no cross-entropy."
        )
        yield warning("below-guessing", words, harmful)


def _decided(terms: pa.Table) -> Iterator[RunWarning]:
    """What decides a value besides its formula."""
    found = [(row["contributor"], diagnostics_of(row)) for row in terms.to_pylist() if row["term"] == NTK_REGRESSION]
    for decides, kind, words in _DECIDES:
        if named := [name for name, one in found if one.get(decides)]:
            yield warning(kind, words, named)


_DECIDES: tuple[tuple[str, str, str], ...] = (
    (
        "least_damping",
        "least-damping",
        "The gradients of these contributors' rows hardly differ, so lambda of the value was taken from "
        f"{LEAST_CENTRED:g} of the kernel's mean diagonal and is larger than value.damping says. The value says "
        "little of single rows: look for rows that are all alike.",
    ),
    (
        "jitter",
        "value-jitter",
        "The kernel of the value's regression was not positive definite with the configured damping; a small amount was "
        "added (jitter in terms.parquet). Raise value.damping, or set backbone.dtype: float64.",
    ),
    (
        "ratio_bounded",
        "value-by-a-bound",
        "The rows with gradients gain too little over guessing for the ratio that covers the other rows, so a bound of it "
        "set the value, which is that of the rows with gradients where these gain nothing. Raise ntk.sample.",
    ),
    (
        "head_floored",
        "value-by-a-bound",
        f"The regression on frozen features classifies nearly every target row, so its cross-entropy was taken for "
        f"{percent(LEAST_SHARE)} of that of guessing in the ratio that covers rows without gradients. Raise ntk.sample.",
    ),
)
"""Entry of the value's diagnostics that is set where it decided, kind of warning, and words."""


def _unknown(rows: list[dict[str, Any]]) -> Iterator[RunWarning]:
    known = [row["value_low"] is not None for row in rows]
    unknown = [row["contributor"] for row, is_known in zip(rows, known, strict=True) if not is_known]
    if unknown and any(known):
        words = (
            "These values have no interval, since nothing is known of how much they would vary with other rows: there is only "
            "one row, or the model gives the same output for every target row. Give more rows."
        )
        yield warning("unknown-spread", words, unknown)


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
