"""Chart: scores against truth in one world, a panel a method, a dot a contributor."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from mixval.evidence.results import WorldResult
from mixval.publish.names import shortened
from mixval.publish.numerals import compact
from mixval.publish.report.figure import axes_at, canvas, drawing, fitted, inline_svg, placeholder, tick_words
from mixval.publish.report.theme import ACCENT, GRID, INK, MUTED, PAPER, Layout

PANEL_HEIGHT, TITLE_HEIGHT, AXIS_HEIGHT, LEFT, GAP = 170, 38, 50, 52, 14
NAME_LIMIT = 80


def truth_plot(
    result: WorldResult,
    methods: list[str],  # panels in this order, the first of them ours
    chart: str,  # identifier of the chart in the page
    layout: Layout,
    description: str,
) -> Markup:
    """The chart as inline SVG. Marks: `seeds-P` from lowest to highest seed in panel P, `dot-P-K` one contributor."""
    across = layout.panels_across
    block = TITLE_HEIGHT + PANEL_HEIGHT + AXIS_HEIGHT
    width = layout.width / across
    ems = (width - GAP) / layout.font_size
    tooltips: dict[str, str] = {}
    with drawing(chart, layout):
        figure = canvas(layout.width, block * -(-len(methods) // across))
        for panel, method in enumerate(methods):
            line, column = divmod(panel, across)
            inner = width - LEFT - GAP
            axes = axes_at(figure, column * width + LEFT, line * block + TITLE_HEIGHT, inner, PANEL_HEIGHT)
            tooltips |= _panel(axes, result, method, panel, start=LEFT / inner)
        titles = [fitted(method, ems) for method in methods]
        return inline_svg(figure, chart, layout, "Score against truth", description, titles, tooltips)


def _panel(axes: Any, result: WorldResult, method: str, panel: int, start: float) -> dict[str, str]:
    """Draws one panel, whose title begins `start` widths left of it, and returns its tooltips."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    scores, mean = result.scores_of(method), result.mean_truth
    seeds = np.array([result.truth[name] for name in result.names])
    axes.vlines(scores, seeds.min(1), seeds.max(1), colors=MUTED, linewidth=1, zorder=2).set_gid(f"seeds-{panel}")
    tooltips: dict[str, str] = {}
    for at, name in enumerate(result.names):
        (dot,) = axes.plot([scores[at]], [mean[at]], "o", markersize=6, zorder=3)
        dot.set(markerfacecolor=ACCENT if panel else INK, markeredgecolor=PAPER, gid=f"dot-{panel}-{at}")
        tooltips[f"dot-{panel}-{at}"] = f"{shortened(name, NAME_LIMIT)}: score {compact(scores[at])}, truth {compact(mean[at])}"
    axes.set_title(placeholder(panel), loc="left", pad=13, weight="bold", x=-start)
    axes.set_xlabel("score", labelpad=6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(tick_words))
    axes.margins(x=0.09, y=0.09)
    axes.grid(axis="y", color=GRID)
    return tooltips
