"""Values of groups, made up but consistent: a hostile name adds, `bad` harms, of a third nothing can be said."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from published_run import Results

from mixval.contracts.results import GROUPS

HOSTILE = "<b>gen\u202e</b>"
ADDS = ((0.05, 0.03, 0.08, "take"), (-0.04, -0.06, -0.02, "leave"), (0.01, -0.02, 0.03, "cannot say"))


def make_groups(results: Results) -> pa.Table:
    """Of the first contributor and of all together three groups each; of the second contributor one."""
    names = results.ranking["contributor"].to_pylist()
    rows = [group_row(names[0], HOSTILE, 0), group_row(names[0], "bad", 1), group_row(names[0], None, 2)]
    rows.append(group_row(names[1], "bad", 1) | {"adds": None, "adds_low": None, "adds_high": None, "verdict": None})
    rows += [group_row(None, HOSTILE, 0), group_row(None, "bad", 1), group_row(None, None, 2, is_others=True)]
    return pa.Table.from_pylist(rows, schema=GROUPS)


def group_row(name: str | None, group: str | None, place: int, is_others: bool = False) -> dict[str, Any]:
    """A group that adds as the others at this place do."""
    adds, low, high, verdict = ADDS[place]
    known = {"adds": adds, "adds_low": low, "adds_high": high, "verdict": verdict}
    who = {"contributor": name, "column": "source", "group": group, "is_others": is_others, "n_rows": 30 - place}
    return who | {"value": -0.6, "value_low": -0.7, "value_high": -0.5} | known
