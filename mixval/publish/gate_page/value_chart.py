"""Chart: what each delivery adds to the table, with its interval, in the colour and shape of what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from mixval.config.policy import Action
from mixval.contracts.ingestion import Decision
from mixval.publish.gate_page.words import DONE, interval_words, marginal_value, value_decimals, value_unit
from mixval.publish.names import shortened
from mixval.publish.numerals import signed
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room
from mixval.publish.report.row_axes import row_names, value_axis
from mixval.publish.report.theme import ACCEPT, INK, MUTED, PAPER, QUARANTINE, REJECT, Layout, closer

TOP, BOTTOM, RIGHT = 8, 52, 20
"""CSS pixels around the axes."""
COLOURS: dict[Action, str] = {"accept": ACCEPT, "quarantine": QUARANTINE, "reject": REJECT}
MARKERS: dict[Action, str] = {"accept": "o", "quarantine": "s", "reject": "X"}
MOST_ROWS = 60
"""Deliveries that are drawn: the first ones with a value."""


@dataclass(frozen=True)
class Drawn:
    """One delivery of the chart."""

    name: str
    action: Action
    value: float
    low: float | None
    high: float | None
    words: str
    """Shown on hovering."""


def drawn(decisions: Sequence[Decision]) -> list[Drawn]:
    """The deliveries with a marginal value, in the given order, at most `MOST_ROWS`."""
    decimals, unit, found = value_decimals(decisions), value_unit(decisions), list[Drawn]()
    for one in decisions:
        value = marginal_value(one)
        if value is None or value.value is None:
            continue
        said = f"{shortened(one.name, 80)}: {DONE[one.action]}, {unit} {signed(value.value, decimals)}"
        ends = "" if value.low is None or value.high is None else f" ({interval_words(value, decimals)})"
        found.append(Drawn(one.name, one.action, value.value, value.low, value.high, said + ends))
    return found[:MOST_ROWS]


def value_chart(rows: Sequence[Drawn], layout: Layout, unit: str) -> Markup:
    """The chart as inline SVG, of at least one delivery. Marks: `dot-i`, and `interval-i` where it is known."""
    layout = closer(layout, len(rows))
    with drawing("deliveries", layout):
        height = layout.row_height * len(rows)
        names, room = name_room([row.name for row in rows], layout)
        figure = canvas(layout.width, TOP + height + BOTTOM)
        axes = axes_at(figure, room, TOP, layout.width - room - RIGHT, height)
        for index, row in enumerate(rows):
            _mark(axes, index, row)
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, 0.0), max(high, 0.0))
        row_names(axes, [INK] * len(rows))
        value_axis(axes, len(rows))
        axes.axvline(0, color=MUTED, linewidth=1.2, zorder=0.9)
        axes.set_xlabel(f"adds to the table ({unit})", labelpad=8)
        tooltips = {f"{mark}-{i}": row.words for i, row in enumerate(rows) for mark in ("dot", "interval")}
        words = f"{len(rows)} deliveries in the order in which they were decided. The table above has every number."
        return inline_svg(figure, "deliveries", layout, "What each delivery adds to the table", words, names, tooltips)


def _mark(axes: Any, index: int, row: Drawn) -> None:
    colour = COLOURS[row.action]
    if row.low is not None and row.high is not None:
        (line,) = axes.plot([row.low, row.high], [index, index], color=colour, linewidth=3, solid_capstyle="round", zorder=2)
        line.set_alpha(0.45)
        line.set_gid(f"interval-{index}")
    (dot,) = axes.plot([row.value], [index], MARKERS[row.action], markersize=9, markerfacecolor=colour, zorder=3)
    dot.set_markeredgecolor(PAPER)
    dot.set_markeredgewidth(1.2)
    dot.set_gid(f"dot-{index}")
