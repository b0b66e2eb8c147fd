"""Chart: small multiples, each term of Eq. 8 against the share of real rows and against the number of rows."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from mixval.contracts.terms import TERMS
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, tick_words
from mixval.publish.report.theme import GRID, MUTED, PAPER, Layout, term_colour

PANEL_HEIGHT, TITLE_HEIGHT, AXIS_HEIGHT, LEFT, GAP = 128, 38, 50, 46, 12
AGAINST = ("real_share", "n_rows")
MANY = 60
"""Contributors from which dots shrink and standard errors are left out."""


def term_chart(
    ranking: pa.Table,
    errors: dict[tuple[str, str], float],  # (contributor, term) -> standard error
    layout: Layout,
    description: str,
) -> Markup:
    """The chart as inline SVG. Marks: `points-AGAINST-TERM`, one dot per contributor; `errors-...` where known."""
    block = TITLE_HEIGHT + PANEL_HEIGHT + AXIS_HEIGHT
    lines = math.ceil(len(TERMS) / layout.panels_across)
    across = math.ceil(len(TERMS) / lines)  # as many in each line as can be
    with drawing("terms", layout):
        figure = canvas(layout.width, block * lines * len(AGAINST))
        width = layout.width / across
        for place, (against, term) in enumerate(product(AGAINST, TERMS)):
            above, within = divmod(place, len(TERMS))
            line, column = above * lines + within // across, within % across
            axes = axes_at(figure, column * width + LEFT, line * block + TITLE_HEIGHT, width - LEFT - GAP, PANEL_HEIGHT)
            _panel(axes, ranking, errors, against, term)
        return inline_svg(figure, "terms", layout, "Each term against real share and size", description)


def _panel(axes: Any, ranking: pa.Table, errors: dict[tuple[str, str], float], against: str, term: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    rows = ranking.to_pylist()
    few = len(rows) <= MANY
    across = [_position(row, against) for row in rows]
    up = [row[term] for row in rows]
    spans = [(x, y, errors.get((row["contributor"], term))) for x, y, row in zip(across, up, rows, strict=True)]
    known = [(x, y - error, y + error) for x, y, error in spans if error] if few else []
    if known:
        lines = axes.vlines(*zip(*known, strict=True), colors=MUTED, linewidth=1, zorder=2)
        lines.set_gid(f"errors-{against}-{term}")
    colour = term_colour(term)
    dots = axes.scatter(across, up, s=38 if few else 16, color=colour, edgecolors=PAPER, linewidths=0.8, zorder=3)
    dots.set_gid(f"points-{against}-{term}")
    axes.set_title(TERMS[term].label, loc="left", pad=13, weight="bold")
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(tick_words))
    axes.margins(x=0.09, y=0.12)
    axes.grid(axis="y", color=GRID)
    _across_axis(axes, against, [row["n_rows"] for row in rows])


def _position(row: dict[str, Any], against: str) -> float:
    return math.log10(max(row["n_rows"], 1)) if against == "n_rows" else float(row["real_share"])


def _across_axis(axes: Any, against: str, sizes: list[int]) -> None:
    if against == "real_share":
        axes.set_xlim(-0.07, 1.07)
        axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        axes.set_xlabel("real share", labelpad=4)
        return
    ticks = size_ticks(min(sizes), max(sizes))
    axes.set_xticks([math.log10(tick) for tick in ticks], [_size_words(tick) for tick in ticks])
    axes.set_xlabel("rows", labelpad=4)


def size_ticks(smallest: int, largest: int) -> list[int]:
    """At most four round numbers of rows (1, 2 or 5 times a power of ten) between the two, or the smallest itself."""
    low, high = max(smallest, 1), max(largest, 1)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10**power for power in powers for factor in factors if low <= factor * 10**power <= high]
        if len(ticks) <= 4:
            return ticks or [low]
    return ticks[:: math.ceil(len(ticks) / 4)]


def _size_words(rows: int) -> str:
    for power, unit in ((9, "G"), (6, "M"), (3, "k")):
        if rows >= 10**power:
            return f"{rows / 10**power:g}{unit}"
    return str(rows)
