"""What changed between two runs: configuration, inputs, and who rose or fell by more than the intervals allow for.

Values are compared with each other where both runs measure the same: by NTK regression, on the same target, under the same
settings. A difference counts beyond the interval that both intervals give it, combined as if their errors were independent; as
they share rows, this is cautious. Elsewhere only the order is compared: a contributor rose past another one if it was certainly
below it before and is certainly above it now, by disjoint intervals both times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from mixval.config.base import FrozenModel
from mixval.publish.manifest import InputShard
from mixval.publish.names import listed
from mixval.publish.stored_run import StoredRun
from mixval.publish.value_kind import kind_of

NO_SETTINGS = ("output", "runtime", "tables")
"""Sections that change no result."""
Row = dict[str, Any]
Verdict = Literal["rose", "fell", "unchanged", "cannot say", "new", "gone"]
Data = Literal["same", "changed", "new", "gone"]


class ContributorChange(FrozenModel):
    """One contributor of either run. Ranks and values are None where it was not ranked."""

    contributor: str
    verdict: Verdict
    """`new`, `gone`: ranked in one run only. `cannot say`: within the uncertainty, or without intervals."""
    why: str
    data: Data
    """Its files, by content."""
    rank_before: int | None
    rank_after: int | None
    value_before: float | None
    value_after: float | None


class RunDifference(FrozenModel):
    """From one run to another."""

    before: str
    after: str
    """Ids of the runs."""
    settings: dict[str, tuple[Any, Any]]
    """Dotted key -> value before and after, of settings that differ; None for a key that one of them lacks."""
    versions: dict[str, tuple[str | None, str | None]]
    """Package -> version before and after."""
    target_changed: bool
    compared_by: Literal["value", "order"]
    contributors: list[ContributorChange]
    """Those that rose or fell first, then the others, each by rank after."""


def compare_runs(before: StoredRun, after: StoredRun) -> RunDifference:
    """What changed from `before` to `after`."""
    settings = _settings(before.manifest.config, after.manifest.config)
    target_changed = _content(before.manifest.target) != _content(after.manifest.target)
    by_value = not settings and not target_changed and not kind_of(after.ranking).adds_terms
    old, new = ({row["contributor"]: row for row in run.ranking.to_pylist()} for run in (before, after))
    data = _data(before.manifest.inputs, after.manifest.inputs)
    changes = [_change(name, old, new, by_value, data.get(name, "same")) for name in {**old, **new}]
    last = len(changes) + 1
    moved = {"rose": 0, "fell": 0, "new": 1, "gone": 1}
    return RunDifference(
        before=before.manifest.run_id,
        after=after.manifest.run_id,
        settings=settings,
        versions=_differing(before.manifest.versions, after.manifest.versions),
        target_changed=target_changed,
        compared_by="value" if by_value else "order",
        contributors=sorted(changes, key=lambda one: (moved.get(one.verdict, 2), one.rank_after or last, one.contributor)),
    )


def _change(name: str, before: Mapping[str, Row], after: Mapping[str, Row], by_value: bool, data: Data) -> ContributorChange:
    old, new = before.get(name), after.get(name)
    if old is None or new is None:
        verdict, why = ("new", "not ranked before") if old is None else ("gone", "no longer ranked")
    elif by_value:
        verdict, why = _by_value(old, new)
    else:
        verdict, why = _by_order(name, before, after)
    ranks, values = ([None if row is None else row[key] for row in (old, new)] for key in ("rank", "value"))
    return ContributorChange.model_validate(
        {
            "contributor": name,
            "verdict": verdict,
            "why": why,
            "data": data,
            "rank_before": ranks[0],
            "rank_after": ranks[1],
            "value_before": values[0],
            "value_after": values[1],
        }
    )


def _by_value(old: Row, new: Row) -> tuple[Verdict, str]:
    if old["value"] == new["value"]:
        return "unchanged", "the same value"
    if None in (old["value_low"], new["value_low"]):
        return "cannot say", "a run without intervals"
    change = new["value"] - old["value"]
    low = change - math.hypot(new["value"] - new["value_low"], old["value_high"] - old["value"])
    high = change + math.hypot(new["value_high"] - new["value"], old["value"] - old["value_low"])
    if low > 0:
        return "rose", "its value, beyond the uncertainty"
    return ("fell", "its value, beyond the uncertainty") if high < 0 else ("cannot say", "within the uncertainty")


def _by_order(name: str, before: Mapping[str, Row], after: Mapping[str, Row]) -> tuple[Verdict, str]:
    if any(row["value_low"] is None for rows in (before, after) for row in rows.values()):
        return "cannot say", "a run without intervals"
    others = [one for one in before if one in after and one != name]
    passed = [one for one in others if _above(before, one, name) and _above(after, name, one)]
    behind = [one for one in others if _above(before, name, one) and _above(after, one, name)]
    moves = [f"past {listed(passed, 3)}"] if passed else []
    moves += [f"behind {listed(behind, 3)}"] if behind else []
    if len(passed) == len(behind):
        return "cannot say", ", ".join(moves) or "passed no other one beyond the uncertainty"
    return ("rose" if len(passed) > len(behind) else "fell"), ", ".join(moves)


def _above(rows: Mapping[str, Row], one: str, other: str) -> bool:
    return bool(rows[one]["value_low"] > rows[other]["value_high"])


def _data(before: Mapping[str, list[InputShard]], after: Mapping[str, list[InputShard]]) -> dict[str, Data]:
    held = {**before, **after}
    found: dict[str, Data] = {}
    for name in held:
        if name not in before:
            found[name] = "new"
        elif name not in after:
            found[name] = "gone"
        else:
            found[name] = "same" if _content(before[name]) == _content(after[name]) else "changed"
    return found


def _content(shards: list[InputShard]) -> list[tuple[str, str]]:
    return sorted((shard.name, shard.digest) for shard in shards)


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    kept = [{key: value for key, value in one.items() if key not in NO_SETTINGS} for one in (before, after)]
    return _differing(_flat(kept[0]), _flat(kept[1]))


def _flat(value: Any, where: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        return {where: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{where}.{key}" if where else str(key))
    return flat


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys = sorted({*before, *after})
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}
