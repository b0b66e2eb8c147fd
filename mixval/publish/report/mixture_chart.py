"""Chart: the value by the weight of the synthetic rows, and below it what a weight costs for other numbers of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from mixval.publish.numerals import compact, fixed, percent
from mixval.publish.part_values import MixtureWorth, PartValues
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, tick_words
from mixval.publish.report.theme import ACCENT, BAND, INK, MUTED, PAPER, SUBSTITUTE, Layout

TOP, PANEL, GAP, BOTTOM, LEFT, RIGHT = 26, 150, 66, 52, 64, 40
"""CSS pixels: above the first panel, of a panel, between both, below the second, and beside them."""
NAME_HEIGHT = 0.1
"""Of a line's name, as a share of a panel's height."""
TICKS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


def mixture_chart(values: PartValues, decimals: int, layout: Layout, description: str) -> Markup:
    """The chart as inline SVG. Marks: `weight-i` a computed value, `band` their intervals, `curve` between them, `best` a ring
    at the best weight; `cost-j` a line for each number of rows.
    """
    own = [one for one in values.curve if one.copies == 1]
    with drawing("mixture", layout):
        figure = canvas(layout.width, TOP + 2 * PANEL + GAP + BOTTOM)
        width = layout.width - LEFT - RIGHT
        worth, costs = (axes_at(figure, LEFT, top, width, PANEL) for top in (TOP, TOP + PANEL + GAP))
        tooltips = _worth(worth, values, own, decimals)
        _costs(costs, values)
        for axes, title in ((worth, "value"), (costs, "below the best weight")):
            _frame(axes)
            axes.text(0.0, 1.05, title, transform=axes.transAxes, ha="left", va="bottom", color=INK, weight="bold")
        costs.set_xlabel("weight of a synthetic row", labelpad=8)
        title = "The value by the weight of the synthetic rows"
        return inline_svg(figure, "mixture", layout, title, description, (), tooltips)


def _worth(axes: Any, values: PartValues, own: Sequence[MixtureWorth], decimals: int) -> dict[str, str]:
    places = [_place(one.weight) for one in own]
    if all(one.value_low is not None for one in own):
        band = axes.fill_between(places, [one.value_low for one in own], [one.value_high for one in own], color=BAND, zorder=1)
        band.set_gid("band")
    (line,) = axes.plot(places, [one.value for one in own], color=ACCENT, linewidth=2.5, zorder=2)
    line.set_gid("curve")
    tooltips = {}
    for index, one in enumerate(own):
        (dot,) = axes.plot([_place(one.weight)], [one.value], "o", markersize=6, markerfacecolor=INK, zorder=3)
        dot.set_markeredgecolor(PAPER)
        dot.set_gid(f"weight-{index}")
        share = percent(one.synthetic_share)
        tooltips[f"weight-{index}"] = f"weight {compact(one.weight)}, {share} synthetic: {fixed(one.value, decimals)}"
    if (best := values.as_it_is) is not None:
        (ring,) = axes.plot([_place(best.weight)], [best.value], "o", markersize=13, markerfacecolor="none", zorder=4)
        ring.set_markeredgecolor(SUBSTITUTE)
        ring.set_markeredgewidth(2)
        ring.set_gid("best")
    return tooltips


def _costs(axes: Any, values: PartValues) -> None:
    """One line for each number of rows, dashed beyond the data, with its name at the right end."""
    ends = dict[float, float]()
    for index, copies in enumerate(sorted({one.copies for one in values.curve})):
        curve = [one for one in values.curve if one.copies == copies]
        colour, width = _of_copies(copies)
        style = (0, (4, 3)) if curve[0].is_extrapolated else "-"
        places, costs = [_place(one.weight) for one in curve], [-one.below_best for one in curve]
        (line,) = axes.plot(places, costs, color=colour, linewidth=width, linestyle=style)
        line.set_gid(f"cost-{index}")
        ends[copies] = costs[-1]
    low, high = axes.get_ylim()
    floor = -1e9
    for copies, end in sorted(ends.items(), key=lambda one: one[1]):  # names that would overlap move up
        floor = max(end, floor + NAME_HEIGHT * (high - low))
        name = f"{compact(copies)}×" if copies >= 1 else f"1/{round(1 / copies)}"
        place = _place(TICKS[-1]) + 0.008
        axes.text(place, floor, name, ha="left", va="center", color=_of_copies(copies)[0], fontsize="small")


def _of_copies(copies: float) -> tuple[str, float]:
    """Colour and width of a line."""
    return (ACCENT, 2.5) if copies == 1 else (MUTED, 1.5)


def _frame(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(-0.02, _place(TICKS[-1]) + 0.01)
    axes.set_xticks([_place(weight) for weight in TICKS])
    axes.set_xticklabels([tick_words(weight) for weight in TICKS])
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(tick_words))
    axes.margins(y=0.08)
    axes.grid(axis="y")


def _place(weight: float) -> float:
    """Where a weight stands: a weight and its inverse are as far from 1."""
    return weight / (1 + weight)
