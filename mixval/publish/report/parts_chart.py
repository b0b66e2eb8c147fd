"""Chart: what the synthetic and the real rows of each contributor add to the other ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.publish.names import shortened
from mixval.publish.numerals import signed
from mixval.publish.part_values import PartValues, PartWorth
from mixval.publish.ranking import interval_words
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room
from mixval.publish.report.ranking_chart import BOTTOM, RIGHT, TOP
from mixval.publish.report.row_axes import row_names, value_axis
from mixval.publish.report.theme import ACCENT, INK, PAPER, SUBSTITUTE, Layout, closer

APART = 0.16
"""Half the distance between the two marks of a contributor, in rows."""


def parts_chart(names: Sequence[str], values: Sequence[PartValues], decimals: int, layout: Layout, description: str) -> Markup:
    """The chart as inline SVG, a row a contributor. Marks: `synthetic-i`, `real-i`, `interval-PART-i` where there is one."""
    layout = closer(layout, len(names))
    with drawing("parts", layout):
        height = layout.row_height * len(names)
        shown, room = name_room(names, layout)
        figure = canvas(layout.width, TOP + height + BOTTOM)
        axes = axes_at(figure, room, TOP, layout.width - room - RIGHT, height)
        tooltips = {}
        for place, (name, one) in enumerate(zip(names, values, strict=True)):
            for part, side in ((SYNTHETIC, -APART), (REAL, APART)):
                found = one.part(part)
                if found is not None and found.adds is not None:
                    _mark(axes, found, place, place + side)
                    span = "" if found.adds_low is None else f" ({interval_words(found.adds_low, found.adds_high, decimals)})"
                    tooltips[f"{part}-{place}"] = f"{shortened(name, 80)}, {part}: {signed(found.adds, decimals)}{span}"
        row_names(axes, [INK] * len(names))
        axes.margins(x=0.06)
        value_axis(axes, len(names))
        axes.set_xlabel("adds to the other part", labelpad=8)
        return inline_svg(figure, "parts", layout, "What each part adds to the other", description, shown, tooltips)


def _mark(axes: Any, found: PartWorth, place: int, row: float) -> None:
    if found.adds_low is not None and found.adds_high is not None:
        (line,) = axes.plot([found.adds_low, found.adds_high], [row, row], color=ACCENT, linewidth=2, zorder=2)
        line.set_gid(f"interval-{found.part}-{place}")
    is_synthetic = found.part == SYNTHETIC
    face = INK if is_synthetic else "none"
    (dot,) = axes.plot([found.adds], [row], "o" if is_synthetic else "D", markersize=7 if is_synthetic else 6, zorder=3)
    dot.set_markerfacecolor(face)
    dot.set_markeredgecolor(PAPER if is_synthetic else SUBSTITUTE)
    dot.set_markeredgewidth(1.5)
    dot.set_gid(f"{found.part}-{place}")
