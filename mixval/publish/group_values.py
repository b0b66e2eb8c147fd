"""What groups of rows are worth, by the columns in `value.groups`: of one contributor, or of all ranked ones together."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from mixval.config.base import FrozenModel
from mixval.contracts.results import CANNOT_SAY, TAKE
from mixval.publish.names import listed, shortened
from mixval.publish.numerals import counted, decimals_for, fixed, signed
from mixval.publish.ranking import interval_words
from mixval.publish.share_worth import ShareWorth

NAME_LIMIT = 60
MOST_TOLD = 4
"""Groups that a sentence names."""
MOST_LISTED = 12
"""Groups of a column that are listed as text."""


class GroupWorth(ShareWorth):
    """One group of rows: a row of groups.parquet."""

    group: str | None
    """What stands in the column; None for rows without it, and for the others."""
    is_others: bool
    """Whether these are the rows of all groups that are not told apart."""

    @property
    def name(self) -> str:
        """As tables and sentences call it."""
        if self.is_others:
            return "other groups"
        return "no value" if self.group is None else shortened(self.group, NAME_LIMIT)

    @property
    def harms(self) -> bool:
        """Whether the other rows are worth more without it."""
        return self.verdict not in (None, TAKE, CANNOT_SAY) and self.adds_high is not None and self.adds_high < 0


class GroupValues(FrozenModel):
    """Values of the groups of one column."""

    column: str
    groups: list[GroupWorth]
    """Those with the most rows first."""

    @property
    def has_several(self) -> bool:
        """Whether what a group adds has a value."""
        return any(one.adds is not None for one in self.groups)


def group_values(contributor: str | None, groups: pa.Table | None) -> list[GroupValues]:
    """The values of one contributor's groups, None for all together, by column; empty where the run has none."""
    rows = [] if groups is None else [row for row in groups.to_pylist() if row["contributor"] == contributor]
    found = dict[str, list[GroupWorth]]()
    for row in rows:
        found.setdefault(row["column"], []).append(GroupWorth(**{name: row[name] for name in GroupWorth.model_fields}))
    return [GroupValues(column=column, groups=own) for column, own in found.items()]


def ungrouped_columns(groups: pa.Table) -> list[str]:
    """Columns in which no row of any contributor has a value."""
    rows = groups.to_pylist()
    known = {row["column"] for row in rows if row["group"] is not None or row["is_others"]}
    return [column for column in dict.fromkeys(row["column"] for row in rows) if column not in known]


def group_decimals(values: Sequence[GroupValues], value_decimals: int) -> int:
    """Decimals for what groups add, no fewer than values have."""
    return max(value_decimals, decimals_for([one.adds for value in values for one in value.groups if one.adds is not None]))


def group_sentence(values: GroupValues, decimals: int) -> str:
    """Which groups are better in or out, beside the others. Empty where there is one."""
    if not values.has_several:
        return ""
    known = [one for one in values.groups if one.adds is not None]
    adding = sorted((one for one in known if one.verdict == TAKE), key=lambda one: -(one.adds or 0.0))
    harming = sorted((one for one in known if one.harms), key=lambda one: one.adds or 0.0)
    told = (("adds", adding), ("would be better left out", harming))
    said = [f"{words}: {_listed(some, decimals)}" for words, some in told if some]
    rest = len(known) - len(adding) - len(harming)
    if not said:
        return f"By {shortened(values.column, NAME_LIMIT)}: of none of {len(known)} groups can be said that it adds or harms."
    more = f"; of {rest} more it cannot be said, or they add nothing to speak of" if rest else ""
    return f"By {shortened(values.column, NAME_LIMIT)}, {'; '.join(said)}{more}."


def group_lines(values: Sequence[GroupValues], decimals: int) -> list[str]:
    """The values of one contributor's groups as lines of plain text."""
    lines = list[str]()
    places = group_decimals(values, decimals)
    for one in (one for one in values if one.has_several):
        shown = one.groups[:MOST_LISTED]
        width = max(len(group.name) for group in shown)
        lines.append(f"By {shortened(one.column, NAME_LIMIT)}, value alone and what it adds to the other rows:")
        for group in shown:
            alone = "unknown" if group.value is None else fixed(group.value, decimals)
            lines.append(f"  {group.name:<{width}}  {alone}, {_adds(group, places)}, {counted(group.n_rows, 'row')}")
        if len(one.groups) > MOST_LISTED:
            lines.append(f"  and {len(one.groups) - MOST_LISTED} more in groups.parquet")
        lines.append(group_sentence(one, places))
    return lines


def run_group_lines(groups: pa.Table | None, decimals: int) -> list[str]:
    """What a run says of groups: a sentence a column, of all together, and whose groups would be better left out."""
    together = group_values(None, groups)
    places = group_decimals(together, decimals)
    lines = [sentence for one in together if (sentence := group_sentence(one, places))]
    harmful = dict[str, list[str]]()
    for row in [] if groups is None else groups.to_pylist():
        if row["contributor"] is not None:
            found = GroupWorth(**{name: row[name] for name in GroupWorth.model_fields})
            if found.harms:
                harmful.setdefault(row["column"], []).append(f"{row['contributor']} ({found.name})")
    return lines + [
        f"Worth more without one of their groups by {shortened(column, NAME_LIMIT)}: {listed(names)}."
        for column, names in harmful.items()
    ]


def _listed(groups: Sequence[GroupWorth], decimals: int) -> str:
    told = [f"{one.name} ({_adds(one, decimals)})" for one in groups[:MOST_TOLD]]
    more = [f"{len(groups) - MOST_TOLD} more"] if len(groups) > MOST_TOLD else []
    *first, last = [*told, *more]
    return f"{', '.join(first)} and {last}" if first else last


def _adds(one: GroupWorth, decimals: int) -> str:
    if one.adds is None:
        return "adds unknown"
    span = "" if one.adds_low is None else f", {interval_words(one.adds_low, one.adds_high, decimals)}"
    return f"{signed(one.adds, decimals)}{span}"
