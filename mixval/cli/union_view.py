"""The value of a union of contributors for people and for machines."""

from __future__ import annotations

from typing import Any

from mixval.publish.names import visible
from mixval.publish.numerals import counted, decimals_for, fixed
from mixval.publish.ranking import interval_words
from mixval.publish.stored_run import StoredRun
from mixval.publish.value_kind import kind_of
from mixval.stages.coalition_value import CoalitionValue


def union_text(found: CoalitionValue, run: StoredRun) -> str:
    """The value together, then of each contributor alone, best first, one a line."""
    kind, decimals = kind_of(run.ranking), max(3, decimals_for([found.value, *found.alone.values()]))
    alone = sorted(found.alone.items(), key=lambda item: -item[1])
    width = max(len(fixed(value, decimals)) for value in (found.value, *found.alone.values()))
    lines = [
        f"Values are {kind.axis}.",
        f"{fixed(found.value, decimals):>{width}}  together, from {counted(found.n_rows, 'row')}"
        + _interval(found.low, found.high, decimals),
        *(
            f"{fixed(value, decimals):>{width}}  {visible(name)} alone"
            + _interval(found.alone_low[name], found.alone_high[name], decimals)
            for name, value in alone
        ),
    ]
    if found.low is None:
        lines.append("This union has no interval: take a difference below the ranking's intervals for none.")
    return "\n".join([*lines, kind.of_coalitions] if kind.of_coalitions else lines)


def _interval(low: float | None, high: float | None, decimals: int) -> str:
    return "" if low is None or high is None else f" ({interval_words(low, high, decimals)})"


def union_document(found: CoalitionValue, run: StoredRun) -> dict[str, Any]:
    """The same as JSON-able values, with the run's id and the kind of its values."""
    kinds = run.ranking["value_kind"].to_pylist()
    return {"run_id": run.manifest.run_id, "value_kind": kinds[0]} | found.model_dump(mode="json")
