"""Charts with a panel a corpus: frequencies by rank with Zipf's law, shares of the target's tokens, losses along a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from mixval.publish.report.figure import axes_at, canvas, drawing, fitted, inline_svg, placeholder
from mixval.publish.report.theme import COMPLEMENT, GRID, INK, MUTED, Layout
from mixval.publish.scaling.curve_chart import magnitude

PANEL_HEIGHT, TITLE_HEIGHT, AXIS_HEIGHT, LEFT, GAP = 150, 30, 46, 48, 14
MOST_PANELS = 12
MOST_TOKENS = 160
"""Of the target's tokens that are drawn, spread evenly on a logarithmic axis."""


@dataclass(frozen=True)
class Curve:
    """What one panel shows, by name of the corpus."""

    name: str
    x: np.ndarray
    y: np.ndarray
    x_behind: np.ndarray
    y_behind: np.ndarray
    """What stands behind it: the target, or the single losses."""
    exponent: float | None = None
    """Of Zipf's law, drawn from the first rank."""


def rank_chart(curves: Sequence[Curve], layout: Layout, words: str) -> Markup:
    """Figure 9a of 2510.01631: share of the tokens by rank; behind, the target; dashed, the fitted law."""

    def draw(axes: Any, curve: Curve, _floor: float) -> None:
        _log_log(axes, "rank")
        axes.plot(curve.x_behind, curve.y_behind, color=MUTED, linewidth=1.0, zorder=1)
        axes.plot(curve.x, curve.y, color=COMPLEMENT, linewidth=1.6, zorder=3)
        if curve.exponent is not None:
            ranks = np.arange(1, int(curve.x[-1]) + 1, dtype=float)
            total = (ranks**-curve.exponent).sum()
            axes.plot(curve.x, curve.x**-curve.exponent / total, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=2)

    return _chart("ranks", curves, layout, "Share of the tokens by rank", words, draw)


def token_chart(curves: Sequence[Curve], layout: Layout, words: str) -> Markup:
    """Figure 9c: the share of each of the target's tokens, most frequent first; the line is the target's own."""

    def draw(axes: Any, curve: Curve, floor: float) -> None:
        _log_log(axes, "rank in the target")
        axes.plot(curve.x_behind, curve.y_behind, color=INK, linewidth=1.2, zorder=2)
        held = curve.y > 0
        axes.plot(curve.x[held], curve.y[held], "o", markersize=3, color=COMPLEMENT, markeredgewidth=0, zorder=1)
        axes.plot(curve.x[~held], np.full(int((~held).sum()), floor), "x", markersize=4, color=INK, zorder=3, clip_on=False)

    return _chart("tokens", curves, layout, "Shares of the target's tokens", words, draw)


def loss_chart(curves: Sequence[Curve], layout: Layout, words: str) -> Markup:
    """Figure 10: losses along the target's first document (line) and their rolling average (dots)."""

    def draw(axes: Any, curve: Curve, _floor: float) -> None:
        axes.plot(curve.x_behind, curve.y_behind, color=MUTED, alpha=0.45, linewidth=0.7, zorder=1)
        axes.plot(curve.x[::4], curve.y[::4], "o", markersize=3, color=COMPLEMENT, markeredgewidth=0, zorder=2)
        axes.set_xlabel("token", labelpad=4, color=MUTED)

    return _chart("losses", curves, layout, "Losses along the target's first document", words, draw)


def spread_places(n: int, most: int = MOST_TOKENS) -> np.ndarray:
    """At most `most` of n places, evenly spread on a logarithmic axis."""
    return np.unique(np.geomspace(1, max(1, n), most).round().astype(int)) - 1


def _chart(
    chart: str, curves: Sequence[Curve], layout: Layout, title: str, words: str, draw: Callable[[Any, Curve, float], None]
) -> Markup:
    shown = curves[:MOST_PANELS]
    across = max(1, min(len(shown), layout.panels_across - 1))
    block, width = TITLE_HEIGHT + PANEL_HEIGHT + AXIS_HEIGHT, layout.width / across
    inner = width - LEFT - GAP
    heights = np.concatenate([part for curve in shown for part in (curve.y, curve.y_behind)] or [np.ones(1)])
    heights = heights[np.isfinite(heights) & (heights > 0)]
    low, high = float(heights.min(initial=1.0)) / 2, float(heights.max(initial=0.0))
    with drawing(chart, layout):
        figure = canvas(layout.width, block * -(-len(shown) // across))
        for at, curve in enumerate(shown):
            line, column = divmod(at, across)
            axes = axes_at(figure, column * width + LEFT, line * block + TITLE_HEIGHT, inner, PANEL_HEIGHT)
            draw(axes, curve, low)
            axes.set_ylim(*((low, 2 * high) if axes.get_yscale() == "log" else (0, 1.05 * high)))
            axes.grid(axis="y", color=GRID)
            axes.set_title(placeholder(at), loc="left", pad=8, weight="bold", x=-LEFT / inner)
        names = [fitted(curve.name, (width - GAP) / layout.font_size) for curve in shown]
        return inline_svg(figure, chart, layout, title, words, names)


def _log_log(axes: Any, label: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.yaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: magnitude(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(_share))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.set_xlabel(label, labelpad=4, color=MUTED)


def _share(value: float, _position: int) -> str:
    return f"{100 * value:g} %" if value >= 1e-4 else f"{1e6 * value:g} ppm"
