"""Chart: runs and the fitted law of each mixture along one input, a panel a mixture, with where it says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from markupsafe import Markup

from mixval.publish.numerals import compact
from mixval.publish.report.figure import axes_at, canvas, drawing, fitted, inline_svg, placeholder, tick_words
from mixval.publish.report.theme import ACCENT, BAND, GRID, INK, MUTED, PAPER, Layout
from mixval.publish.scaling.document import along
from mixval.scaling.prediction import intervals
from mixval.scaling.studying import Fitted

PANEL_HEIGHT, TITLE_HEIGHT, AXIS_HEIGHT, LEFT, GAP = 210, 34, 50, 52, 16
MOST_ACROSS = 2
AXIS_WORDS = {"tokens": "training tokens", "params": "parameters"}
MOST_CURVES = 12
"""Values of the other input of which each has a curve; of more, these are drawn, evenly spread."""


def curve_chart(
    mixtures: Sequence[Fitted],
    most_factor: float,
    layout: Layout,
    description: str,
    axis: Literal["tokens", "params"] | None = None,
) -> Markup:
    """The chart as inline SVG, along tokens where the law has them, or along the input that is named.

    Marks: `run-P-I` run I of panel P; `curve-P-J` and `band-P-J` of the value J of the other input; `beyond-P`.
    """
    chart = "curves" if axis is None else f"curves-{axis}"
    across = min(len(mixtures), MOST_ACROSS, layout.panels_across // 2)
    block = TITLE_HEIGHT + PANEL_HEIGHT + AXIS_HEIGHT
    width = layout.width / across
    ends = [loss for one in mixtures for loss in (one.runs.losses.min(), one.runs.losses.max())]
    tooltips: dict[str, str] = {}
    with drawing(chart, layout):
        figure = canvas(layout.width, block * -(-len(mixtures) // across))
        for panel, one in enumerate(mixtures):
            line, column = divmod(panel, across)
            inner = width - LEFT - GAP
            axes = axes_at(figure, column * width + LEFT, line * block + TITLE_HEIGHT, inner, PANEL_HEIGHT)
            tooltips |= _panel(axes, one, panel, most_factor, axis)
            axes.set_ylim(min(ends) * 0.94, max(ends) * 1.03)
            axes.set_title(placeholder(panel), loc="left", pad=10, weight="bold", x=-LEFT / inner)
        ems = (width - GAP) / layout.font_size
        titles = [fitted(one.runs.mixture, ems) for one in mixtures]
        return inline_svg(figure, chart, layout, "Runs and fitted law", description, titles, tooltips)


def _panel(axes: Any, one: Fitted, panel: int, most_factor: float, wanted: str | None) -> dict[str, str]:
    """Draws one panel and returns its tooltips."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    axis = wanted or ("tokens" if "tokens" in one.fit.law.inputs else "params")
    values = one.runs.columns[axis]
    last, limit = float(values.max()), float(values.max()) * most_factor
    axes.set_xscale("log")
    axes.axvspan(last, limit, color=BAND, linewidth=0, zorder=0).set_gid(f"beyond-{panel}")
    for at, fixed in enumerate(_fixed(one, axis)):
        columns = along(one, axis, fixed, limit)
        found = intervals(one.draws, columns, one.wide, [axis])
        low, middle, high = ([getattr(each, side) for each in found] for side in ("low", "value", "high"))
        band = axes.fill_between(columns[axis], low, high, color=ACCENT, alpha=0.25, linewidth=0, zorder=1)
        band.set_gid(f"band-{panel}-{at}")
        (line,) = axes.plot(columns[axis], middle, color=ACCENT, linewidth=1.4, zorder=2)
        line.set_gid(f"curve-{panel}-{at}")
    tooltips = {}
    for at, (value, loss) in enumerate(zip(values, one.runs.losses, strict=True)):
        (dot,) = axes.plot([value], [loss], "o", markersize=5, zorder=3)
        dot.set(markerfacecolor=INK, markeredgecolor=PAPER, gid=f"run-{panel}-{at}")
        place = ", ".join(f"{name} {compact(float(column[at]))}" for name, column in one.runs.columns.items())
        tooltips[f"run-{panel}-{at}"] = f"{place}: loss {compact(float(loss))}"
    axes.set_xlim(float(values.min()) / 1.3, limit)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: magnitude(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(tick_words))
    axes.set_xlabel(AXIS_WORDS[axis], labelpad=6, color=MUTED)
    axes.grid(axis="y", color=GRID)
    return tooltips


def _fixed(one: Fitted, axis: str) -> list[dict[str, float]]:
    """The other inputs of each curve: one a model size, or one an amount of data."""
    others = [name for name in ("params", "tokens") if name in one.fit.law.inputs and name != axis]
    if not others:
        return [{}]
    values = np.unique(one.runs.columns[others[0]])
    kept = values[np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_CURVES)).round().astype(int))]
    unique = one.runs.columns.get("unique_tokens")
    rest = {} if unique is None else {"unique_tokens": float(np.median(unique))}
    return [{others[0]: float(value), **rest} for value in kept]


def magnitude(value: float) -> str:
    """`100M`, `2B`: a large number in three characters or so."""
    for scale, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:g}{letter}"
    return f"{value:g}"
