"""What the charts of a study share: panels, axes of ratios and of numbers, and a series' colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from mixval.publish.report.figure import axes_at, canvas, drawing, fitted, inline_svg, placeholder, tick_words
from mixval.publish.report.theme import ACCENT, COMPLEMENT, GRID, INK, MUTED, SUBSTITUTE, Layout
from mixval.publish.scaling.curve_chart import magnitude

PANEL_HEIGHT, TITLE_HEIGHT, AXIS_HEIGHT, LEFT, GAP = 210, 34, 50, 64, 22
COLOURS = (ACCENT, SUBSTITUTE, COMPLEMENT, INK, MUTED)
"""Of the first series, the second, and so on; a sixth has the first's again."""
STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
"""Of lines, likewise."""
TICK_ROOM = 0.11
"""Least distance of two labels of ratios, as a share of the axis."""


def panels(
    chart: str,
    titles: Sequence[str],
    layout: Layout,
    words: tuple[str, str],  # title and description
    draw: Callable[[Any, int], dict[str, str]],
    texts: Sequence[str] = (),  # drawn inside panels, as placeholder(len(titles) + i)
) -> Markup:
    """Small multiples, two across on wide pages; `draw` fills the axes of a panel and returns its tooltips."""
    across = min(len(titles), layout.panels_across // 2)
    block, width = TITLE_HEIGHT + PANEL_HEIGHT + AXIS_HEIGHT, layout.width / across
    tooltips: dict[str, str] = {}
    with drawing(chart, layout):
        figure = canvas(layout.width, block * -(-len(titles) // across))
        for panel in range(len(titles)):
            line, column = divmod(panel, across)
            inner = width - LEFT - GAP
            axes = axes_at(figure, column * width + LEFT, line * block + TITLE_HEIGHT, inner, PANEL_HEIGHT)
            tooltips |= draw(axes, panel)
            axes.set_title(placeholder(panel), loc="left", pad=10, weight="bold", x=-LEFT / inner)
            axes.grid(axis="y", color=GRID)
        ems = (width - GAP) / layout.font_size
        shown = [*(fitted(title, ems) for title in titles), *texts]
        return inline_svg(figure, chart, layout, words[0], words[1], shown, tooltips)


def ratio_place(per_cent: float) -> float:
    """Where a ratio stands on an axis: small ratios are many."""
    return float(np.sqrt(per_cent))


def ratio_axis(axis: Any, ratios: Sequence[float], label: str) -> None:
    """An axis of ratios, labelled as far as labels do not touch."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    last, kept = ratio_place(ratios[-1]), [ratios[-1]]
    for ratio in reversed(ratios[:-1]):
        if ratio_place(kept[-1]) - ratio_place(ratio) >= TICK_ROOM * last:
            kept.append(ratio)
    axis.set_major_locator(FixedLocator([ratio_place(one) for one in kept]))
    axis.set_major_formatter(FixedFormatter([f"{one:g}" for one in kept]))
    axis.set_label_text(label, color=MUTED)
    axis.labelpad = 6


def token_axis(axes: Any, budgets: Sequence[int]) -> None:
    """A logarithmic axis whose labels are the budgets."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(budgets)))
    axes.xaxis.set_major_formatter(FixedFormatter([rounded(one) for one in budgets]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("training tokens", labelpad=6, color=MUTED)


def number_axis(axes: Any) -> None:
    """A few plain ticks on the vertical axis."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(tick_words))


def rounded(tokens: float) -> str:
    """`131k`, `200B`: three digits."""
    digits = max(0, int(np.floor(np.log10(tokens))) - 2)
    return magnitude(round(tokens / 10**digits) * 10.0**digits)


def colour(series: int) -> str:
    """Of a series."""
    return COLOURS[series % len(COLOURS)]
