"""The report's section on groups of rows: for each column a chart, a sentence and a table of contributors by groups."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mixval.publish.group_values import GroupValues, GroupWorth, group_decimals, group_sentence, group_values
from mixval.publish.names import shortened
from mixval.publish.numerals import count, fixed, signed
from mixval.publish.ranking import interval_words, value_decimals
from mixval.publish.report.adds_chart import AddsChart, adds_chart
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.report.view import NAME_LIMIT
from mixval.publish.value_kind import kind_of

MOST_ACROSS = 12
"""Groups that have a column of the table of contributors, those with the most rows."""
MOST_DOWN = 60
"""Contributors in that table, in the order of the ranking."""


def groups_section(ranking: pa.Table, groups: pa.Table | None) -> dict[str, Any] | None:
    """What `groups.html.j2` shows. None for a run without groups, or where no column has several."""
    if groups is None or not ranking.num_rows:
        return None
    names = ranking["contributor"].to_pylist()
    own = {name: {one.column: one for one in group_values(name, groups)} for name in names}
    together = {one.column: one for one in group_values(None, groups)}
    # Of one contributor there is nothing together.
    found = together if len(names) > 1 else own[names[0]]
    shown = [one for one in found.values() if one.has_several]
    if not shown:
        return None
    value = value_decimals(ranking)
    return {
        "is_together": len(names) > 1,
        "columns": [_column(place, one, own, value) for place, one in enumerate(shown)],
        "of_coalitions": kind_of(ranking).of_coalitions if len(names) > 1 else "",
    }


def _column(place: int, shown: GroupValues, own: dict[str, dict[str, GroupValues]], value: int) -> dict[str, Any]:
    by_name = {name: columns[shown.column] for name, columns in own.items() if shown.column in columns}
    adds = group_decimals([shown, *by_name.values()], value)
    heads = shown.groups[:MOST_ACROSS]
    words = f"{len(shown.groups)} groups, those with the most rows first. The table below has every number."
    chart = AddsChart(f"groups-{place}", "What each group adds to the other rows", "adds to the other rows", words)
    names, marks = [one.name for one in shown.groups], [{"adds": one} for one in shown.groups]
    return {
        "name": shortened(shown.column, NAME_LIMIT),
        "sentence": group_sentence(shown, adds),
        "charts": [adds_chart(chart, names, marks, adds, layout) for layout in LAYOUTS],
        "groups": [_line(one, value, adds) for one in shown.groups],
        "heads": [one.name for one in heads],
        "rows": [
            {"name": shortened(name, NAME_LIMIT), "cells": [_cell(one, values, adds) for one in heads]}
            for name, values in list(by_name.items())[:MOST_DOWN]
        ],
        "n_more_groups": len(shown.groups) - len(heads),
        "n_more_names": max(0, len(by_name) - MOST_DOWN),
    }


def _line(one: GroupWorth, value: int, adds: int) -> dict[str, str]:
    return {
        "name": one.name,
        "rows": count(one.n_rows),
        "alone": "–" if one.value is None else fixed(one.value, value),
        "adds": "–" if one.adds is None else signed(one.adds, adds),
        "span": interval_words(one.adds_low, one.adds_high, adds),
        "verdict": one.verdict or "–",
    }


def _cell(head: GroupWorth, values: GroupValues, decimals: int) -> dict[str, str]:
    """What a group adds to the other rows of a contributor: `only` where it has no others, empty where it has no such rows."""
    own = next((one for one in values.groups if (one.group, one.is_others) == (head.group, head.is_others)), None)
    if own is None:
        return {"words": "", "verdict": ""}
    return {"words": "only" if own.adds is None else signed(own.adds, decimals), "verdict": own.verdict or ""}
