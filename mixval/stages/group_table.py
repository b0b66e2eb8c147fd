"""The table of groups of a run: what each is worth alone and adds to the other rows of its contributor, and of all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import GROUPS
from mixval.stages.group_pieces import Group
from mixval.stages.groups import GroupedJobs, group_ref, key_of
from mixval.stages.worths import Penalty, Row, penalty_of, points_of, share_rows, with_verdicts

BY = ("column", "group", "is_others")
"""What names a group of all contributors."""
Named = tuple[Group, bool]
"""A group, or None and whether it is that of the others."""
Sizes = dict[str, dict[str | None, Counter[Named]]]
"""Column -> contributor, None for all together -> admitted rows of each group."""


def group_table(
    config: ValuationConfig,
    works: Sequence[GroupedJobs],
    names: Sequence[Mapping[str, Any]],
    terms: Mapping[str, ArtifactRef],
    ranking: pa.Table,
) -> pa.Table:
    """Schema `GROUPS`: by column, by contributor, all together last, and by rows, most first.

    From what these works have committed; of contributors with one group from the ranking. `names` are rows of `groups.NAMES`,
    `terms` the run's.
    """
    penalty, ranked = penalty_of(config, terms), {row["contributor"]: row for row in ranking.to_pylist()}
    sizes, valued = _sizes(names, ranked), {(work.column, work.contributor): work for work in works}
    rows = list[Row]()
    for column in config.value.groups:
        for name in [*sorted(ranked), None]:
            own, work = sizes[column][name], valued.get((column, name))
            if work is not None:
                rows += _rows(work, own, penalty if name else None, config.value.confidence)
            elif name is not None:
                rows += [_row(column, name, one, own) | _as_ranked(ranked[name]) for one in own]
    return pa.Table.from_pylist(with_verdicts(rows, BY, ranking), schema=GROUPS)


def _sizes(names: Sequence[Mapping[str, Any]], ranked: Mapping[str, Row]) -> Sizes:
    """Measured rows scaled to the admitted ones of their contributor."""
    measured, found = Counter[tuple[str, str]](), Sizes()
    for row in names:
        measured[row["column"], row["contributor"]] += row["n"]
    for row in names:
        n = row["n"] * ranked[row["contributor"]]["n_rows"] / measured[row["column"], row["contributor"]]
        of_column = found.setdefault(row["column"], {})
        for who in (row["contributor"], None):
            of_column.setdefault(who, Counter())[row["group"], row["is_others"]] += round(n)
    return found


def _rows(work: GroupedJobs, sizes: Counter[Named], penalty: Penalty | None, level: float) -> list[Row]:
    keyed = {key_of(group, [] if is_others else work.named): (group, is_others) for group, is_others in sizes}
    places = {keyed[key]: place for place, key in enumerate(sorted(keyed), start=1)}
    points = points_of(work.target.store.read_tensors(group_ref(work)), penalty)
    named = [(one, places[one]) for one, _ in sizes.most_common()]
    shares = [(_row(work.column, work.contributor, one, sizes), place, place + len(places)) for one, place in named]
    return share_rows(points, 0, shares, level)


def _row(column: str, contributor: str | None, named: Named, sizes: Counter[Named]) -> Row:
    group, is_others = named
    who = {"contributor": contributor, "column": column}
    return {**who, "group": group, "is_others": is_others, "n_rows": sizes[named]}


def _as_ranked(row: Row) -> Row:
    return {name: row[name] for name in ("value", "value_low", "value_high")}
