"""One row of figures per contributor, which its suite checks, and each of them as text.

A figure is null where it is undefined: a share of no rows, the size of an empty part.
"""

from __future__ import annotations

import pandas as pd

from mixval.gate.stream import RowStream
from mixval.gate.tally import CheckTally
from mixval.gate.words import counted, label_words, shorten

CAUSES_SHOWN = 3
"""Row checks listed with the share of bad rows."""

Found = tuple[str, int, int]
"""A value as text, how many rows (or values) break the check, of how many."""


def contributor_facts(stream: RowStream, n_shards: int) -> tuple[pd.DataFrame, dict[str, Found]]:
    """The one-row frame of `suite.contributor_checks`, and what each column found."""
    n, left = stream.n_rows, stream.n_left
    read = f"{counted(n, 'row')} in {counted(n_shards, 'shard')}"
    values: dict[str, float | None] = {"n_rows": n, "n_left": left if n else None, "n_left_if_any": left or None}
    found: dict[str, Found] = {
        "n_rows": (f"none in {counted(n_shards, 'shard')}" if n_shards else "no shard at all", 1, 1),
        "n_left": (f"none: all of {read} are dropped ({_causes(stream)})", n, n),
        "n_left_if_any": (f"{left:,} of {read}", 1, 1),
    }
    for part, count in stream.n_parts.items():
        values[f"n_{part}_if_any"] = count or None
        found[f"n_{part}_if_any"] = (f"{count:,}", 1, 1)
    if stream.labels:
        values["n_classes"] = len(stream.labels)
    else:
        values["n_classes"] = None
    labels = ", ".join(label_words(label, stream.class_names) for label in sorted(stream.labels)[:10])
    found["n_classes"] = (f"{len(stream.labels):,} ({labels})", 1, 1)
    counts = {
        "bad_row_share": (stream.n_bad, f": {_causes(stream)}"),
        "duplicate_share": (stream.n_repeats, ""),
        "target_overlap_share": (stream.n_in_target, ""),
    }
    for column, (count, causes) in counts.items():
        values[column] = count / n if n else None
        found[column] = (f"{count / max(n, 1):.4g} ({count:,} of {counted(n, 'row')}){causes}", count, n)
    return pd.DataFrame({column: pd.Series([value], dtype="float64") for column, value in values.items()}), found


def _causes(stream: RowStream) -> str:
    """The row checks that dropped most rows, most first."""
    failures = [*stream.rows.failures(), *stream.repeats.failures()]
    dropping = sorted((t for t in failures if t.check.severity == "drop"), key=lambda tally: -tally.n_failed)
    return "; ".join(f"{counted(t.n_failed, 'row')}: {_cause(t)}" for t in dropping[:CAUSES_SHOWN])


def _cause(tally: CheckTally) -> str:
    return tally.samples[0] if tally.check.says_why and tally.samples else shorten(tally.check.expected)
