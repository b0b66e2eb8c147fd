"""Axes whose rows are contributors, best on top, and whose numbers run across."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixval.publish.report.figure import placeholder, tick_words
from mixval.publish.report.theme import GRID, LABEL_GAP


def row_names(axes: Any, colours: Sequence[str]) -> None:
    """A place for the name of every row, left of the axes, in the row's colour."""
    gap = LABEL_GAP / 2 / axes.get_window_extent().width
    for index, colour in enumerate(colours):
        place = axes.get_yaxis_transform()
        axes.text(-gap, index, placeholder(index), transform=place, ha="right", va="center_baseline", color=colour)


def value_axis(axes: Any, n_rows: int) -> None:
    """Rows from the top; grid, as few ticks as fit, and a line at zero across."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_ylim(n_rows - 0.5, -0.5)
    axes.set_yticks([])
    width = axes.get_window_extent().width
    n_ticks = 7 if width > 400 else 4 if width > 150 else 2
    axes.xaxis.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(tick_words))
    axes.grid(axis="x")
    low, high = axes.get_xlim()
    if low < 0 < high:
        axes.axvline(0, color=GRID, linewidth=2, zorder=0.8)
