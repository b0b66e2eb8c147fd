"""Chart: redundancy of every two contributors as a triangular heat map, ordered to show groups of substitutes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup

from mixval.publish.coalition_values import ERRORS, CoalitionValues, Floats
from mixval.publish.names import shortened
from mixval.publish.numerals import signed
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room, placeholder
from mixval.publish.report.row_axes import row_names
from mixval.publish.report.theme import BAND, COMPLEMENT, GRID, INK, LABEL_GAP, PAPER, SUBSTITUTE, Layout

TOP, RIGHT = 8, 12
LARGEST_CELL, LOWEST_ROW = 30, 12
"""CSS pixels. Rows keep a height in which a name can be read; columns may become narrower."""
BLANK = 0.03
"""Of the strongest redundancy: what is below is not drawn. Opacity is the root of that share, so that weaker groups are
visible."""


def clustered(redundancy: Floats) -> list[int]:
    """Places ordered by average-linkage clusters, redundant ones next to each other, the best-ranked contributor in the first
    half.

    Optimal leaf order: Bar-Joseph et al., Bioinformatics 17, 2001. The distance of two is the largest redundancy less theirs.
    """
    k = len(redundancy)
    if k < 3:
        return list(range(k))
    from scipy.cluster import hierarchy

    pairs = redundancy[np.triu_indices(k, 1)]
    leaves = hierarchy.leaves_list(hierarchy.linkage(pairs.max() - pairs, "average", optimal_ordering=True))
    order = [int(place) for place in leaves]
    return order if order.index(0) < k / 2 else order[::-1]


def redundancy_chart(found: CoalitionValues, decimals: int, layout: Layout, description: str) -> Markup:
    """The chart as inline SVG. Marks: `pair-i-j` at row i and column j < i in the order of `clustered`; `self-i`."""
    order = clustered(found.redundancy)
    k, widest = len(order), layout.width - RIGHT
    font_size = min(layout.font_size, max(LOWEST_ROW - 2, widest / k * 0.72))
    small = replace(layout, font_size=font_size)
    with drawing("redundancy", small):
        names, room = name_room([found.names[place] for place in order], small)
        across = min(LARGEST_CELL, (widest - room) / k)
        down = max(LOWEST_ROW, across)
        under = room if across >= font_size else LABEL_GAP
        figure = canvas(layout.width, TOP + down * k + under)
        axes = axes_at(figure, room, TOP, across * k, down * k)
        axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), xticks=[], yticks=[])
        axes.spines["bottom"].set_visible(False)
        _ground(axes, k)
        tooltips = _cells(axes, found, order, decimals)
        row_names(axes, [INK] * k)
        if across >= font_size:
            _column_names(axes, k)
        return inline_svg(figure, "redundancy", small, "Which contributors are redundant", description, names, tooltips)


def _cells(axes: Any, found: CoalitionValues, order: list[int], decimals: int) -> dict[str, str]:
    """Draw every pair that is neither blank nor within its uncertainty. Returns the tooltips."""
    from matplotlib.patches import Rectangle

    strongest = float(np.abs(found.redundancy).max()) or 1.0
    tooltips = {}
    shown = [shortened(found.names[place], 40) for place in order]
    for row, one in enumerate(order):
        for column, other in enumerate(order[: row + 1]):
            shared = float(found.redundancy[one, other])
            error = float(found.redundancy_errors[one, other])
            is_noise = math.isfinite(error) and abs(shared) <= ERRORS * error
            if row != column and (is_noise or abs(shared) < BLANK * strongest):
                continue
            cell = Rectangle((column - 0.5, row - 0.5), 1, 1, linewidth=0, facecolor=GRID)
            cell.set_gid(f"self-{row}")
            if row != column:
                cell.set_facecolor(SUBSTITUTE if shared > 0 else COMPLEMENT)
                cell.set_alpha(round(math.sqrt(abs(shared) / strongest), 3))
                cell.set_gid(f"pair-{row}-{column}")
                tooltips[f"pair-{row}-{column}"] = f"{shown[row]}, {shown[column]}: {signed(shared, decimals)}"
            axes.add_patch(cell)
    return tooltips


def _ground(axes: Any, k: int) -> None:
    """The triangle under the cells, and the lines between them."""
    from matplotlib.patches import Polygon

    stairs = [(place + side, place + rise) for place in range(k) for side, rise in ((0.5, -0.5), (0.5, 0.5))]
    axes.add_patch(Polygon([(-0.5, -0.5), *stairs, (-0.5, k - 0.5)], facecolor=BAND, linewidth=0, alpha=0.6, zorder=0))
    between = [place + 0.5 for place in range(k - 1)]
    axes.hlines(between, -0.5, [place + 1.0 for place in between], colors=PAPER, linewidth=1, zorder=2)
    axes.vlines(between, between, k - 0.5, colors=PAPER, linewidth=1, zorder=2)


def _column_names(axes: Any, k: int) -> None:
    gap = LABEL_GAP / 2 / axes.get_window_extent().height
    for index in range(k):
        place = axes.get_xaxis_transform()
        words = {"rotation": 90, "rotation_mode": "anchor", "ha": "right", "va": "center_baseline", "color": INK}
        axes.text(index, -gap, placeholder(index), transform=place, **words)
