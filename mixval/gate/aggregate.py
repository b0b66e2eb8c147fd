"""One row of figures per contributor, which its suite checks, and each of them as text.

A figure is null where it is undefined: a share of no rows, the size of an empty part.
"""

from __future__ import annotations

import pandas as pd

from mixval.gate.extent import Extent
from mixval.gate.stream import RowStream
from mixval.gate.tally import CheckTally
from mixval.gate.words import counted, label_words, shorten

CAUSES_SHOWN = 3
"""Row checks listed with the share of bad rows."""

Found = tuple[str, int, int]
"""A value as text, how many rows (or values) break the check, of how many."""


def contributor_facts(stream: RowStream, extent: Extent, is_whole: bool) -> tuple[pd.DataFrame, dict[str, Found]]:
    """The one-row frame of `suite.contributor_checks`, and what each column found.

    Where not all rows were read (`is_whole` false), what the others could change is null, and shares are of all rows listed.
    """
    n, left = stream.n_rows, stream.n_left
    n_all = extent.rows_beside(stream)
    shards = counted(extent.n_shards, "shard")
    read = f"{counted(n, 'row')} in {shards}"
    values: dict[str, float | None] = {
        "n_rows": n_all if n or not is_whole else 0,
        "n_rows_in_all": n_all,
        "unfolding": extent.unfolding(stream),
        "n_left": left if n and is_whole else None,
        "n_left_if_any": left or None if is_whole else None,
        "n_classes": len(stream.labels) or None if is_whole else None,
    }
    labels = ", ".join(label_words(label, stream.class_names) for label in sorted(stream.labels)[:10])
    decoded = f"{stream.n_bytes:,} bytes, {extent.unfolding(stream):,.0f} per byte of its files beyond the first GiB"
    found: dict[str, Found] = {
        "n_rows": (f"none in {shards}" if extent.n_shards else "no shard at all", 1, 1),
        "n_rows_in_all": (f"{counted(n_all, 'row')} in {shards}", 1, 1),
        "unfolding": (f"{decoded}, in {n:,} of {counted(n_all, 'row')}", 1, 1),
        "n_left": (f"none: all of {read} are dropped ({_causes(stream)})", n, n),
        "n_left_if_any": (f"{left:,} of {read}", 1, 1),
        "n_classes": (f"{len(stream.labels):,} ({labels})", 1, 1),
    }
    for part, count in stream.n_parts.items():
        values[f"n_{part}_if_any"] = count or None if is_whole else None
        found[f"n_{part}_if_any"] = (f"{count:,}", 1, 1)
    n_judged = n if is_whole else n_all
    for column, (count, causes) in _shares(stream).items():
        share = count / max(n_judged, 1)
        words = f"{share:.4g} ({count:,} of {counted(n, 'row')})" if is_whole else _at_least(share, count, n, n_all)
        values[column] = share if n_judged else None
        found[column] = (words + causes, count, n)
    return pd.DataFrame([list(values.values())], columns=list(values), dtype="float64"), found


def _shares(stream: RowStream) -> dict[str, tuple[int, str]]:
    """Rows by the column that has their share, and more about them."""
    return {
        "bad_row_share": (stream.n_bad, f": {_causes(stream)}"),
        "duplicate_share": (stream.n_repeats, ""),
        "target_overlap_share": (stream.n_in_target, ""),
    }


def _at_least(share: float, count: int, n: int, n_all: int) -> str:
    return f"{share:.4g} at least ({count:,} of the first {n:,} of {counted(n_all, 'row')}; the others were not read)"


def _causes(stream: RowStream) -> str:
    """The row checks that dropped most rows, most first."""
    failures = [*stream.rows.failures(), *stream.repeats.failures()]
    dropping = sorted((t for t in failures if t.check.severity == "drop"), key=lambda tally: -tally.n_failed)
    return "; ".join(f"{counted(t.n_failed, 'row')}: {_cause(t)}" for t in dropping[:CAUSES_SHOWN])


def _cause(tally: CheckTally) -> str:
    return tally.samples[0] if tally.check.says_why and tally.samples else shorten(tally.check.expected)
