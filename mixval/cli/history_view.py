"""Lists of runs, and the difference between two, as text that fits any width: one run or contributor a paragraph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixval.publish.difference import ContributorChange, RunDifference
from mixval.publish.names import shortened, visible
from mixval.publish.numerals import decimals_for, fixed
from mixval.publish.run_list import ListedRun


def list_text(runs: Sequence[ListedRun], n_runs: int, url: str) -> str:
    """One line a run and one of what it says."""
    if not runs:
        return f"{url}: no run has been published here."
    lines = []
    for one in runs:
        told = "unreadable" if one.state == "unreadable" else f"{one.n_ranked} with a value, {one.n_rejected} without"
        mark = " (latest)" if one.state == "latest" else ""
        lines += [f"{one.run_id}{mark}  {told}", f"    {visible(one.says)}"]
    if n_runs > len(runs):
        lines.append(f"{n_runs - len(runs)} earlier run(s) not shown; --limit shows more.")
    return "\n".join(lines)


def difference_text(found: RunDifference) -> str:
    """Configuration and inputs first, then who moved, then the contributors without a certain change."""
    lines = [f"from {found.before} to {found.after}"]
    lines += [f"{key}: {_short(old)} -> {_short(new)}" for key, (old, new) in (found.settings | found.versions).items()]
    lines += ["The target has changed."] if found.target_changed else []
    for data in ("new", "changed", "gone"):
        names = [visible(one.contributor) for one in found.contributors if one.data == data]
        lines += [f"Data {data}: {', '.join(names)}."] if names else []
    if len(lines) == 1:
        lines.append("Configuration, versions and inputs are the same.")
    if found.compared_by == "order":
        lines.append("Values of the two runs are not comparable, so only changes of order beyond the uncertainty are listed.")
    decimals = decimals_for([value for one in found.contributors for value in (one.value_before, one.value_after)])
    return "\n".join([*lines, "", *(_line(one, decimals) for one in found.contributors)])


def _line(one: ContributorChange, decimals: int) -> str:
    ranks = f"rank {_rank(one.rank_before)} -> {_rank(one.rank_after)}"
    values = f"value {fixed(one.value_before, decimals)} -> {fixed(one.value_after, decimals)}"
    return f"{visible(one.contributor)}: {one.verdict} ({visible(one.why)}); {ranks}, {values}"


def _rank(rank: int | None) -> str:
    return "–" if rank is None else str(rank)


def _short(value: Any) -> str:
    return shortened(str(value), 80)
