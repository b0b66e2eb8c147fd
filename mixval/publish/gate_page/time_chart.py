"""Chart: panels one below the other over the same decisions or runs, first to last: values with intervals, or a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from mixval.config.policy import Action
from mixval.publish.gate_page.value_chart import COLOURS, MARKERS
from mixval.publish.report.figure import axes_at, canvas, drawing, fitted, inline_svg, placeholder, tick_words
from mixval.publish.report.theme import ACCENT, INK, MUTED, PAPER, Layout

TITLE, PANEL, BOTTOM, LEFT, RIGHT = 24, 92, 34, 58, 14
"""CSS pixels: above each panel, its height, below the last, and beside all."""
DATE_WIDTH = 110
"""CSS pixels between two dates below a chart."""


@dataclass(frozen=True)
class Point:
    """One decision in a panel."""

    at: int
    """Its place among all decisions."""
    value: float
    low: float | None
    high: float | None
    action: Action
    words: str
    """Shown on hovering."""


@dataclass(frozen=True)
class Panel:
    """One panel."""

    title: str
    points: Sequence[Point]
    is_line: bool = False
    """Whether the points are the steps of a line, as of a sum that grows."""
    limit: float | None = None
    """A level that is marked, such as a budget."""
    gid: str = field(default="")
    """What its marks are called: `dot-GID-i`."""


def time_chart(
    chart: str, panels: Sequence[Panel], dates: Sequence[str], layout: Layout, title: str, places: str = "decisions"
) -> Markup:
    """The chart as inline SVG, of at least one panel; `dates` has one for each place, which are called `places`. Marks:
    `dot-GID-i`, `interval-GID-i`."""
    with drawing(chart, layout):
        figure = canvas(layout.width, (TITLE + PANEL) * len(panels) + BOTTOM)
        tooltips: dict[str, str] = {}
        for place, panel in enumerate(panels):
            top = place * (TITLE + PANEL) + TITLE
            axes = axes_at(figure, LEFT, top, layout.width - LEFT - RIGHT, PANEL)
            _draw(axes, panel, tooltips)
            _frame(axes, place, dates if place == len(panels) - 1 else (), len(dates), panel.is_line)
        ems = (layout.width - LEFT) / layout.font_size
        words = f"{len(panels)} panels over {len(dates)} {places}. The table below has every number."
        return inline_svg(figure, chart, layout, title, words, [fitted(panel.title, ems) for panel in panels], tooltips)


def _draw(axes: Any, panel: Panel, tooltips: dict[str, str]) -> None:
    if panel.is_line:
        places, values = [one.at for one in panel.points], [one.value for one in panel.points]
        (line,) = axes.step(places, values, where="post", color=ACCENT, linewidth=2.5)
        line.set_gid(f"line-{panel.gid}")
    for index, one in enumerate(() if panel.is_line else panel.points):
        colour = COLOURS[one.action]
        if one.low is not None and one.high is not None:
            (line,) = axes.plot([one.at, one.at], [one.low, one.high], color=colour, linewidth=2.5, alpha=0.45, zorder=2)
            line.set_gid(f"interval-{panel.gid}-{index}")
        (dot,) = axes.plot([one.at], [one.value], MARKERS[one.action], markersize=8, markerfacecolor=colour, zorder=3)
        dot.set_markeredgecolor(PAPER)
        dot.set_gid(f"dot-{panel.gid}-{index}")
        tooltips[f"dot-{panel.gid}-{index}"] = one.words
    if panel.limit is not None:
        axes.axhline(panel.limit, color=MUTED, linewidth=1.5, linestyle="--")


def _frame(axes: Any, place: int, dates: Sequence[str], n: int, is_line: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(-0.6, max(n - 0.4, 0.6))
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(tick_words))
    axes.grid(axis="y")
    low, high = axes.get_ylim()
    if is_line:
        axes.set_ylim(0.0, max(high, 1.0))
    elif low < 0 < high:
        axes.axhline(0, color=MUTED, linewidth=1.2, zorder=0.9)
    axes.text(0.0, 1.06, placeholder(place), transform=axes.transAxes, ha="left", va="bottom", color=INK, weight="bold")
    shown = _dated(dates, axes.get_window_extent().width)
    axes.set_xticks(shown)
    axes.set_xticklabels([dates[at] for at in shown])


def _dated(dates: Sequence[str], width: float) -> list[int]:
    """Places below which a date stands: the first decision of a day, as far apart as the dates need."""
    shown: list[int] = []
    for at, date in enumerate(dates):
        is_new = at == 0 or date != dates[at - 1]
        if is_new and (not shown or (at - shown[-1]) * width / max(len(dates), 1) >= DATE_WIDTH):
            shown.append(at)
    return shown
