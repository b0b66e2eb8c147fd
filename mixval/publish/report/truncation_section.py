"""The report's section on where synthetic rows stop, in the order of the ranking."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mixval.publish.names import shortened
from mixval.publish.report.view import NAME_LIMIT
from mixval.publish.truncation_values import REFERENCES, Truncated, truncated

MOST_DOWN = 60
"""Contributors in the table, in the order of the ranking."""


def truncation_section(ranking: pa.Table, truncation: pa.Table | None) -> dict[str, Any] | None:
    """What `truncation.html.j2` shows. None for a run that says nothing of it."""
    if truncation is None or not truncation.num_rows:
        return None
    known = set(truncation["contributor"].to_pylist())
    names = [name for name in ranking["contributor"].to_pylist() if name in known]
    found = {name: truncated(name, truncation) for name in names}
    return {
        "sentence": _sentence(found),
        "rows": [_line(name, one) for name in names[:MOST_DOWN] for one in found[name]],
        "n_more": max(0, len(names) - MOST_DOWN),
    }


def _sentence(found: dict[str, list[Truncated]]) -> str:
    """Who stops short of the target, worst first."""
    by_loss = {
        name: max(one.lost_mass for one in own if one.cut_rank is not None and one.lost_mass is not None)
        for name, own in found.items()
        if any(one.cut_rank is not None and one.lost_mass is not None for one in own)
    }
    if not by_loss:
        return f"Of none of {len(found)} contributors with synthetic rows a cut-off is shown."
    worst = max(by_loss, key=lambda name: by_loss[name])
    stops = next(one for one in found[worst] if one.lost_mass == by_loss[worst])
    many = f"Of {len(by_loss)} of {len(found)} contributors with synthetic rows a cut-off is shown"
    return f"{many}. Most is lost by {shortened(worst, NAME_LIMIT)}: {stops.lost_words} of {REFERENCES[stops.reference]}."


def _line(name: str, one: Truncated) -> dict[str, str]:
    return {
        "name": shortened(name, NAME_LIMIT),
        "over": one.over,
        "reference": REFERENCES[one.reference],
        "rank": one.rank_words,
        "softness": one.softness_words,
        "lost": one.lost_words,
        "lacking": one.lacking_words,
        "reason": one.reason or "",
    }
