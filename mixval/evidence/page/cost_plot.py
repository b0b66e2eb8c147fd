"""Chart: cost of a ranking against its agreement with truth, a dot a method."""

from __future__ import annotations

from markupsafe import Markup

from mixval.evidence.comparison import Comparison, MethodSummary
from mixval.evidence.table import spread
from mixval.publish.numerals import seconds
from mixval.publish.report.figure import axes_at, canvas, drawing, fitted, inline_svg, placeholder, tick_words
from mixval.publish.report.theme import ACCENT, GRID, INK, MUTED, PAPER, Layout

HEIGHT, TOP, BOTTOM, LEFT, RIGHT = 330, 16, 54, 52, 16
LEAST_SECONDS = 1e-3
"""Cheaper methods are drawn at the left edge: times below it are not measurable."""
LABEL_EMS = 13.0


def comparable(comparison: Comparison) -> list[MethodSummary]:
    """Methods with scores in every world: their means are of the same worlds."""
    return [one for one in comparison.methods if len(one.by_world) == len(comparison.worlds)]


def frontier(methods: list[MethodSummary]) -> list[MethodSummary]:
    """Methods that no other beats in the mean at the same cost or less, the cheapest first."""
    best: list[MethodSummary] = []
    for one in sorted(methods, key=lambda one: (one.seconds, -one.mean.value)):
        if not best or one.mean.value > best[-1].mean.value:
            best.append(one)
    return best


def cost_plot(comparison: Comparison, layout: Layout, description: str) -> Markup:
    """The chart as inline SVG. Marks: `method-I`, I as in `comparable`; ours and the frontier are named."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    methods = comparable(comparison)
    named = {one.method for one in frontier(methods)} | {comparison.ours}
    with drawing("cost", layout):
        figure = canvas(layout.width, TOP + HEIGHT + BOTTOM)
        axes = axes_at(figure, LEFT, TOP, layout.width - LEFT - RIGHT, HEIGHT)
        axes.set_xscale("log")
        across = [max(one.seconds, LEAST_SECONDS) for one in methods]
        axes.set_xlim(min(across) / 2, max(across) * 4)  # before anything is drawn: limits cannot be found for a single method
        axes.vlines(across, [one.mean.low for one in methods], [one.mean.high for one in methods], colors=GRID, linewidth=1)
        middle = (min(across) * max(across)) ** 0.5
        for at, (x, one) in enumerate(zip(across, methods, strict=True)):
            is_ours = one.method == comparison.ours
            (dot,) = axes.plot([x], [one.mean.value], "o", markersize=8, zorder=5 if is_ours else 3)
            dot.set(markerfacecolor=INK if is_ours else ACCENT, markeredgecolor=PAPER, gid=f"method-{at}")
            if one.method in named:
                side, offset = ("right", -8) if x > middle else ("left", 8)
                height = -14 if is_ours else 6  # ours below its dot, clear of the frontier's names
                place = {"xytext": (offset, height), "textcoords": "offset points", "ha": side, "zorder": 6}
                axes.annotate(placeholder(at), (x, one.mean.value), color=INK if is_ours else MUTED, **place)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(tick_words))
        axes.set_xlabel("seconds a world", labelpad=8)
        axes.grid(axis="y", color=GRID)
        names = [fitted(one.method, LABEL_EMS) for one in methods]
        tooltips = {
            f"method-{at}": f"{one.method}: {spread(one.mean)}, {seconds(one.seconds)}" for at, one in enumerate(methods)
        }
        return inline_svg(figure, "cost", layout, "Cost against quality", description, names, tooltips)
