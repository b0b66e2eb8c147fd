"""Chart: what rows add to other ones, parts of contributors or groups: a row a name, a mark a part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from markupsafe import Markup

from mixval.publish.names import shortened
from mixval.publish.numerals import signed
from mixval.publish.ranking import interval_words
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room
from mixval.publish.report.ranking_chart import BOTTOM, RIGHT, TOP
from mixval.publish.report.row_axes import row_names, value_axis
from mixval.publish.report.theme import ACCENT, INK, PAPER, SUBSTITUTE, Layout, closer

APART = 0.16
"""Half the distance between the two marks of a row, in rows."""


class Added(Protocol):
    """What rows add, with its interval."""

    @property
    def adds(self) -> float | None:
        """None: there is no mark."""

    @property
    def adds_low(self) -> float | None:
        """None where unknown."""

    @property
    def adds_high(self) -> float | None:
        """None where unknown."""


@dataclass(frozen=True)
class AddsChart:
    """What the chart is called."""

    kind: str
    """Before the marks of its SVG."""
    title: str
    axis: str
    description: str


def adds_chart(
    chart: AddsChart, names: Sequence[str], values: Sequence[Mapping[str, Added]], decimals: int, layout: Layout
) -> Markup:
    """The chart as inline SVG: of each name one mark, or two, the second one hollow, by the marks' own names. Marks: `MARK-i`,
    `interval-MARK-i` where there is one.
    """
    layout = closer(layout, len(names))
    with drawing(chart.kind, layout):
        height = layout.row_height * len(names)
        shown, room = name_room(names, layout)
        figure = canvas(layout.width, TOP + height + BOTTOM)
        axes = axes_at(figure, room, TOP, layout.width - room - RIGHT, height)
        tooltips = {}
        for place, (name, marks) in enumerate(zip(names, values, strict=True)):
            for index, (mark, found) in enumerate(marks.items()):
                if found.adds is None:
                    continue
                _draw(axes, found, f"{mark}-{place}", place + APART * (2 * index - 1) * (len(marks) > 1), index == 1)
                span = "" if found.adds_low is None else f" ({interval_words(found.adds_low, found.adds_high, decimals)})"
                whose = f"{shortened(name, 80)}, {mark}" if len(marks) > 1 else shortened(name, 80)
                tooltips[f"{mark}-{place}"] = f"{whose}: {signed(found.adds, decimals)}{span}"
        row_names(axes, [INK] * len(names))
        axes.margins(x=0.06)
        value_axis(axes, len(names))
        axes.set_xlabel(chart.axis, labelpad=8)
        return inline_svg(figure, chart.kind, layout, chart.title, chart.description, shown, tooltips)


def _draw(axes: Any, found: Added, mark: str, row: float, is_hollow: bool) -> None:
    if found.adds_low is not None and found.adds_high is not None:
        (line,) = axes.plot([found.adds_low, found.adds_high], [row, row], color=ACCENT, linewidth=2, zorder=2)
        line.set_gid(f"interval-{mark}")
    (dot,) = axes.plot([found.adds], [row], "D" if is_hollow else "o", markersize=6 if is_hollow else 7, zorder=3)
    dot.set_markerfacecolor("none" if is_hollow else INK)
    dot.set_markeredgecolor(SUBSTITUTE if is_hollow else PAPER)
    dot.set_markeredgewidth(1.5)
    dot.set_gid(mark)
