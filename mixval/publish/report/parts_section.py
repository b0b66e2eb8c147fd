"""The report's section on real and synthetic rows: charts, sentences and a table, ready for its template."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.publish.names import shortened
from mixval.publish.numerals import count, fixed, signed
from mixval.publish.part_values import (
    PartValues,
    adds_decimals,
    budget_sentence,
    cost_sentence,
    part_sentence,
    part_values,
    weight_sentence,
)
from mixval.publish.ranking import interval_words, value_decimals
from mixval.publish.report.adds_chart import AddsChart, adds_chart
from mixval.publish.report.chart_rows import MOST_ROWS
from mixval.publish.report.mixture_chart import mixture_chart
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.report.view import NAME_LIMIT
from mixval.publish.value_kind import kind_of


def parts_section(
    ranking: pa.Table, parts: pa.Table | None, mixture: pa.Table | None, mixture_best: pa.Table | None
) -> dict[str, Any] | None:
    """What `parts.html.j2` shows. None for a run without values of parts, or where nobody has rows of both."""
    tables = (parts, mixture, mixture_best)
    found = {name: values for name in ranking["contributor"].to_pylist() if (values := part_values(name, *tables))}
    mixed = {name: values for name, values in found.items() if values.has_both}
    together = part_values(None, *tables)
    shown = together if together is not None and together.has_both else next(iter(mixed.values()), None)
    if shown is None:
        return None
    value = value_decimals(ranking)
    adds = adds_decimals([*mixed.values(), shown], value)
    is_together = shown is together
    return {
        "is_together": is_together,
        "name": None if is_together else shortened(next(iter(mixed)), NAME_LIMIT),
        "sentences": _sentences(shown, adds, is_together),
        "charts": _charts(mixed, shown, value, adds),
        "lines": [_line(name, values, value, adds) for name, values in mixed.items()],
        "n_others": ranking.num_rows - len(mixed),
        "n_not_drawn": max(0, len(mixed) - MOST_ROWS),
        "of_coalitions": kind_of(ranking).of_coalitions if is_together else "",
    }


def _charts(mixed: dict[str, PartValues], shown: PartValues, value: int, adds: int) -> dict[str, Any]:
    charts = {}
    if shown.curve:
        words = "Value at ten weights of the synthetic rows from 0 to 4, and its distance to the best for five numbers of rows."
        charts["mixture"] = [mixture_chart(shown, value, layout, words) for layout in LAYOUTS]
    if mixed:
        names = list(mixed)[:MOST_ROWS]
        words = f"{len(names)} contributors in the order of the table of values. The table below has every number."
        chart = AddsChart("parts", "What each part adds to the other", "adds to the other part", words)
        marks = [{part: one for part in (SYNTHETIC, REAL) if (one := mixed[name].part(part))} for name in names]
        charts["parts"] = [adds_chart(chart, names, marks, adds, layout) for layout in LAYOUTS]
    return charts


def _sentences(values: PartValues, decimals: int, is_together: bool) -> list[str]:
    said = [part_sentence(values, part, decimals, is_together) for part in (SYNTHETIC, REAL)]
    said += [weight_sentence(values, decimals, is_together), cost_sentence(values, decimals), budget_sentence(values)]
    return [sentence for sentence in said if sentence]


def _line(name: str, values: PartValues, value: int, adds: int) -> dict[str, Any]:
    best = values.as_it_is
    line: dict[str, Any] = {
        "name": shortened(name, NAME_LIMIT),
        "sentence": part_sentence(values, SYNTHETIC, adds),
        "weight": weight_sentence(values, adds),
        "best": "–" if best is None else fixed(best.weight, 3).rstrip("0").rstrip("."),
        "gain": "–" if best is None else fixed(best.gain, adds),
    }
    for part in (REAL, SYNTHETIC):
        one = values.part(part)
        if one is not None:
            added = "–" if one.adds is None else signed(one.adds, adds)
            line[part] = {
                "rows": count(one.n_rows),
                "value": fixed(one.value, value),
                "adds": added,
                "span": interval_words(one.adds_low, one.adds_high, adds),
                "verdict": one.verdict or "–",
            }
    return line
