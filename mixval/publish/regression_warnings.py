"""Warnings about a ranking by NTK regression, found in its own numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from mixval.contracts.results import NTK_REGRESSION
from mixval.contracts.warnings import RunWarning, warning
from mixval.publish.numerals import count, counted
from mixval.publish.run_warnings import UNKNOWN_SPREAD
from mixval.publish.value_kind import kind_of


def regression_warnings(ranking: pa.Table, terms: pa.Table) -> list[RunWarning]:
    """Every warning that the values give; none where they are Eq. 8's."""
    if not ranking.num_rows or kind_of(ranking).adds_terms:
        return []
    rows = ranking.to_pylist()
    return [*_sampled(rows, terms), *_guessing(rows), *_harm(rows), *_unknown(rows)]


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


def _unknown(rows: list[dict[str, Any]]) -> Iterator[RunWarning]:
    known = [row["value_low"] is not None for row in rows]
    unknown = [row["contributor"] for row, is_known in zip(rows, known, strict=True) if not is_known]
    if unknown and any(known):
        yield warning("unknown-spread", f"These values have no interval and no rank. {UNKNOWN_SPREAD} Give more rows.", unknown)
