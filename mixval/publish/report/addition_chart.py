"""Chart: Shapley value and leave-one-out value of each contributor, next to its value alone."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from mixval.publish.coalition_values import CoalitionValues, Floats
from mixval.publish.names import shortened
from mixval.publish.numerals import fixed
from mixval.publish.report.coalition_view import Scale
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room
from mixval.publish.report.ranking_chart import BOTTOM, RIGHT, TOP
from mixval.publish.report.row_axes import row_names, value_axis
from mixval.publish.report.theme import ACCENT, INK, PAPER, SUBSTITUTE, Layout, closer

ALONE_SHARE = 0.36
"""Of the width of both panels, for the one of values alone."""


def addition_chart(
    found: CoalitionValues,
    half_widths: Floats | None,  # (K,) of the Shapley values' intervals
    scale: Scale,
    layout: Layout,
    description: str,
    alone_is: str,
) -> Markup:
    """The chart as inline SVG. Marks: `shapley-i`, `interval-i` where sampled, `without-i`, and `alone-i` on its own scale."""
    layout = closer(layout, len(found.names))
    with drawing("additions", layout):
        k = len(found.names)
        height = layout.row_height * k
        names, room = name_room(found.names, layout)
        figure = canvas(layout.width, TOP + height + BOTTOM)
        gap = RIGHT if layout.panels_across > 2 else RIGHT // 2
        width = layout.width - room - gap - RIGHT // 2
        adds = axes_at(figure, room, TOP, (1 - ALONE_SHARE) * width, height)
        alone = axes_at(figure, room + (1 - ALONE_SHARE) * width + gap, TOP, ALONE_SHARE * width, height)
        for place in range(k):
            _mark(adds, alone, found, half_widths, place)
        row_names(adds, [INK] * k)
        for axes, words in ((adds, "marginal contribution"), (alone, "alone")):  # the key above says alone as what
            axes.margins(x=0.08)
            value_axis(axes, k)
            axes.set_xlabel(words, labelpad=8)
        tooltips = {f"{mark}-{i}": text for i in range(k) for mark, text in _words(found, i, scale, alone_is).items()}
        return inline_svg(
            figure, "additions", layout, "Marginal contribution of each contributor", description, names, tooltips
        )


def _mark(adds: Any, alone: Any, found: CoalitionValues, half_widths: Floats | None, place: int) -> None:
    value = found.shapley[place]
    if half_widths is not None:
        ends = [value - half_widths[place], value + half_widths[place]]
        (line,) = adds.plot(ends, [place, place], color=ACCENT, linewidth=3, solid_capstyle="round", zorder=2)
        line.set_gid(f"interval-{place}")
    (without,) = adds.plot([found.leave_one_out[place]], [place], "D", markersize=6, markerfacecolor="none", zorder=3)
    without.set_markeredgecolor(SUBSTITUTE)
    without.set_markeredgewidth(1.8)
    without.set_gid(f"without-{place}")
    (dot,) = adds.plot([value], [place], "o", markersize=8, markerfacecolor=INK, markeredgecolor=PAPER, zorder=4)
    dot.set_gid(f"shapley-{place}")
    (ring,) = alone.plot([found.alone[place]], [place], "o", markersize=7, markerfacecolor=PAPER, zorder=3)
    ring.set_markeredgecolor(INK)
    ring.set_markeredgewidth(1.5)
    ring.set_gid(f"alone-{place}")


def _words(found: CoalitionValues, place: int, scale: Scale, alone_is: str) -> dict[str, str]:
    name = shortened(found.names[place], 80)
    return {
        "shapley": f"{name}: Shapley value {fixed(float(found.shapley[place]), scale.adds)}",
        "without": f"{name}: leave-one-out {fixed(float(found.leave_one_out[place]), scale.adds)}",
        "alone": f"{name}: {alone_is} {fixed(float(found.alone[place]), scale.value)}",
    }
