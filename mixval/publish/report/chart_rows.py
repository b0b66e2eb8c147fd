"""The rows of a chart: one per contributor, or, with many contributors, the middle of the ranking in bins."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mixval.contracts.terms import TERMS
from mixval.publish.names import shortened
from mixval.publish.numerals import fixed
from mixval.publish.ranking import interval_words, value_decimals

MOST_ROWS = 60
"""Contributors up to which each has its own row."""
FIRST, LAST, BINS = 25, 10, 25
"""Above: these many first and last ones alone, the ranks between them in this many bins."""


@dataclass(frozen=True)
class ChartRow:
    """One row of a chart; a bin has several members."""

    name: str
    is_bin: bool
    value: float
    """The value, or a bin's median."""
    low: float | None
    """Lower end of the interval, or of all intervals in the bin."""
    high: float | None
    weighted: dict[str, float]
    """Term -> what it adds to the value, or a bin's mean."""
    tie_group: int | None
    """None for a bin that spans several groups."""
    words: str
    """Shown on hovering."""


def chart_rows(ranking: pa.Table) -> list[ChartRow]:
    """Rows in the order of the ranking, at most `MOST_ROWS` of them."""
    rows = ranking.to_pylist()
    decimals = value_decimals(ranking)
    if len(rows) <= MOST_ROWS:
        return [_row([row], decimals) for row in rows]
    middle = rows[FIRST : len(rows) - LAST]
    edges = [round(len(middle) * step / BINS) for step in range(BINS + 1)]
    bins = [middle[start:stop] for start, stop in itertools.pairwise(edges)]
    groups = [[row] for row in rows[:FIRST]] + bins + [[row] for row in rows[len(rows) - LAST :]]
    return [_row(group, decimals) for group in groups]


def _row(members: list[dict[str, Any]], decimals: int) -> ChartRow:
    is_bin = len(members) > 1
    lows = [row["value_low"] for row in members]
    highs = [row["value_high"] for row in members]
    known = None not in lows and None not in highs
    value = statistics.median(row["value"] for row in members)
    low, high = (min(lows), max(highs)) if known else (None, None)
    name = _bin_name(members) if is_bin else members[0]["contributor"]
    words = f"{shortened(name, 80)}: {fixed(value, decimals)}"
    if known:
        words += f" ({interval_words(low, high, decimals)})"
    return ChartRow(
        name=name,
        is_bin=is_bin,
        value=value,
        low=low,
        high=high,
        weighted={term: statistics.fmean(row[f"weighted_{term}"] for row in members) for term in TERMS},
        tie_group=members[0]["tie_group"] if len({row["tie_group"] for row in members}) == 1 else None,
        words=words + (f", {len(members)} contributors" if is_bin else ""),
    )


def _bin_name(members: list[dict[str, Any]]) -> str:
    first, last = members[0]["rank"], members[-1]["rank"]
    return f"{len(members)} contributors" if first is None or last is None else f"ranks {first}–{last}"
