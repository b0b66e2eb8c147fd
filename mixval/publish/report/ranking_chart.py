"""Chart: the ranking, a dot and an interval per contributor, tie groups shaded."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from markupsafe import Markup

from mixval.publish.report.chart_rows import ChartRow
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room
from mixval.publish.report.row_axes import row_names, value_axis
from mixval.publish.report.theme import ACCENT, BAND, INK, MUTED, PAPER, Layout

TOP, BOTTOM, RIGHT = 8, 52, 34
"""CSS pixels around the axes; the tie letters are at the right."""


def ranking_chart(rows: list[ChartRow], labels: dict[int, str], layout: Layout, description: str, axis: str) -> Markup:
    """The chart as inline SVG. Marks: `dot-i` a row, `interval-i` where there is one, `tie-A` a shaded group."""
    with drawing("ranking", layout):
        height = layout.row_height * len(rows)
        names, room = name_room([row.name for row in rows], layout)
        figure = canvas(layout.width, TOP + height + BOTTOM)
        axes = axes_at(figure, room, TOP, layout.width - room - RIGHT, height)
        _shade_ties(axes, rows, labels)
        for index, row in enumerate(rows):
            _mark(axes, index, row)
        row_axis(axes, rows)
        axes.set_xlabel(axis, labelpad=8)
        tooltips = {f"{mark}-{i}": row.words for i, row in enumerate(rows) for mark in ("dot", "interval")}
        return inline_svg(figure, "ranking", layout, "Value of each contributor", description, names, tooltips)


def row_axis(axes: Any, rows: list[ChartRow]) -> None:
    """One named row per entry, best on top; grid and few ticks along the value."""
    row_names(axes, [MUTED if row.is_bin else INK for row in rows])
    value_axis(axes, len(rows))


def _shade_ties(axes: Any, rows: list[ChartRow], labels: dict[int, str]) -> None:
    start = 0
    for group, members in groupby(rows, key=lambda row: row.tie_group):
        stop = start + len(list(members))
        if group is not None and group in labels:
            band = axes.axhspan(start - 0.46, stop - 0.54, facecolor=BAND, edgecolor="none", zorder=0)
            band.set_gid(f"tie-{labels[group]}-{start}")
            place = axes.get_yaxis_transform()
            middle = (start + stop - 1) / 2
            axes.text(1.02, middle, labels[group], transform=place, ha="left", va="center_baseline", color=MUTED, weight="bold")
        start = stop


def _mark(axes: Any, index: int, row: ChartRow) -> None:
    if row.low is not None and row.high is not None:
        (line,) = axes.plot([row.low, row.high], [index, index], color=ACCENT, linewidth=3, solid_capstyle="round", zorder=2)
        line.set_gid(f"interval-{index}")
    face = PAPER if row.is_bin else INK
    (dot,) = axes.plot([row.value], [index], "o", markersize=8, markerfacecolor=face, zorder=3)
    dot.set_markeredgecolor(INK if row.is_bin else PAPER)
    dot.set_markeredgewidth(1.5)
    dot.set_gid(f"dot-{index}")
