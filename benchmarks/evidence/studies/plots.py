"""Charts of the studies: what each switch gains or loses, and how many rows give the same ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup

from benchmarks.evidence.studies.results import Ablation, StabilityResult, SubsetAgreement, Variant
from mixval.evidence.page.view import cell
from mixval.publish.names import shortened
from mixval.publish.numerals import count, fixed
from mixval.publish.report.figure import axes_at, canvas, drawing, fitted, inline_svg, name_room, placeholder, tick_words
from mixval.publish.report.row_axes import row_names, value_axis
from mixval.publish.report.theme import ACCENT, BAND, GRID, INK, MUTED, PAPER, Layout, closer

TOP, BOTTOM, RIGHT = 8, 52, 16
HEIGHT, LEFT, LINE_LABELS = 300, 52, 280
NAME_LIMIT = 80
NAME_SHARE = 0.4
"""Of a chart's width, that variants' names may take."""
TARGET = 0.9
"""Kendall's tau that a subset's ranking should reach."""
TARGET_ROWS = 400
"""From so many rows a contributor on."""


def gain_plot(ablation: Ablation, chart: str, layout: Layout, description: str) -> Markup:
    """What each variant gains on the base, as inline SVG. Marks: `gain-I` and `interval-I`, variants in their order."""
    variants = ablation.variants
    own = replace(closer(layout, len(variants)), label_width=int(NAME_SHARE * layout.width))
    with drawing(chart, own):
        height = own.row_height * len(variants)
        names, room = name_room([one.name for one in variants], own)
        figure = canvas(own.width, TOP + height + BOTTOM)
        axes = axes_at(figure, room, TOP, own.width - room - RIGHT, height)
        for at, one in enumerate(variants):
            (line,) = axes.plot([one.gain.low, one.gain.high], [at, at], color=ACCENT, linewidth=3, solid_capstyle="round")
            line.set_gid(f"interval-{at}")
            (dot,) = axes.plot([one.gain.value], [at], "o", markersize=7, zorder=3)
            dot.set(markerfacecolor=INK, markeredgecolor=PAPER, gid=f"gain-{at}")
        row_names(axes, [INK] * len(variants))
        value_axis(axes, len(variants))
        axes.set_xlabel("Spearman correlation gained", labelpad=8)
        tooltips = {f"{mark}-{at}": gain_words(one) for at, one in enumerate(variants) for mark in ("gain", "interval")}
        return inline_svg(figure, chart, own, "Gain of each variant", description, names, tooltips)


def gain_words(one: Variant) -> str:
    """The variant, its correlation and what it gains."""
    gain = cell(one.gain, is_signed=True)
    return f"{shortened(one.name, NAME_LIMIT)}: {fixed(one.spearman.value, 2)}, {gain.value} ({gain.interval})"


def curves(result: StabilityResult) -> dict[tuple[str, str], list[SubsetAgreement]]:
    """(method, form) -> its agreements, the smallest subset first."""
    found: dict[tuple[str, str], list[SubsetAgreement]] = {}
    for one in sorted(result.subsets, key=lambda one: one.n_rows):
        found.setdefault((one.method, one.form), []).append(one)
    return found


def rows_plot(result: StabilityResult, chart: str, layout: Layout, description: str) -> Markup:
    """Agreement with the ranking from all rows over rows a contributor, as inline SVG. Marks: `curve-I` as in `curves`.

    Bars reach from the lowest to the highest subset seed; the shaded corner is where agreement should be. Names stand at the
    right of a wide chart and beneath a narrow one; those of the first method are its forms' alone.
    """
    lines = list(curves(result).items())
    names = [form if method == lines[0][0][0] else f"{form} ({method})" for (method, form), _ in lines]
    is_wide = layout.width > 500
    spacing = 1.5 * layout.font_size
    with drawing(chart, layout):
        figure = canvas(layout.width, TOP + HEIGHT + BOTTOM + (0 if is_wide else round(spacing * len(lines))))
        width = layout.width - LEFT - (LINE_LABELS if is_wide else RIGHT)
        axes = axes_at(figure, LEFT, TOP, width, HEIGHT)
        height = _frame(axes, result.subsets)
        ends = _apart([_mean(found[-1]) for _, found in lines], spacing / HEIGHT * height)
        for at, (_, found) in enumerate(lines):
            colour = _curve(axes, at, found)
            right = {"xy": (1, ends[at]), "xycoords": ("axes fraction", "data"), "xytext": (8, 0)}
            below = {"xy": (0, 0), "xycoords": "axes fraction", "xytext": (0, -BOTTOM - spacing * at)}
            axes.annotate(
                placeholder(at), **(right if is_wide else below), textcoords="offset points", va="center_baseline", color=colour
            )
        room = (LINE_LABELS - RIGHT if is_wide else width) / layout.font_size
        shown = [fitted(name, room) for name in names]
        tooltips = {f"curve-{at}": curve_words(curve_name(*key), found) for at, (key, found) in enumerate(lines)}
        return inline_svg(figure, chart, layout, "Agreement with the ranking from all rows", description, shown, tooltips)


def curve_name(method: str, form: str) -> str:
    """A line's name."""
    return f"{method}, {form}"


def curve_words(name: str, found: Sequence[SubsetAgreement]) -> str:
    """The curve in words."""
    points = [f"{fixed(_mean(one), 2)} from {count(one.n_rows)} rows" for one in found]
    return f"{shortened(name, NAME_LIMIT)}: {', '.join(points)}"


def _mean(one: SubsetAgreement) -> float:
    return float(np.mean(one.against_all))


def _curve(axes: Any, at: int, found: Sequence[SubsetAgreement]) -> str:
    """Draws one line with its bars and returns its colour; colour and style together distinguish nine lines."""
    colours, styles = (INK, ACCENT, MUTED), ("o-", "o--", "o:")
    colour, style = colours[at % len(colours)], styles[at // len(colours) % len(styles)]
    across = [one.n_rows for one in found]
    lowest, highest = ([end(one.against_all) for one in found] for end in (min, max))
    axes.vlines(across, lowest, highest, colors=GRID, linewidth=3)
    (line,) = axes.plot(across, [_mean(one) for one in found], style, color=colour, linewidth=2, markersize=6, zorder=3)
    line.set(markeredgecolor=PAPER, gid=f"curve-{at}")
    return colour


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Heights of labels, in the lines' order from below and no nearer to one another than `least`; none above 1."""
    placed = np.zeros(len(heights))
    lowest = -math.inf
    for at in np.argsort(heights, kind="stable"):
        lowest = max(heights[at], lowest + least)
        placed[at] = lowest
    return [float(one) for one in placed - max(lowest - 1.0, 0.0)]


def _frame(axes: Any, subsets: Sequence[SubsetAgreement]) -> float:
    """Ticks at the subsets' sizes, tau from 0 or below to 1, and the corner that should be reached. Returns the span of tau."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    sizes = sorted({one.n_rows for one in subsets})
    left, right = sizes[0] / 1.3, sizes[-1] * 1.3
    bottom, top = min(0.0, *(min(one.against_all) - 0.05 for one in subsets)), 1.02
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    corner = np.clip(math.log(TARGET_ROWS / 1.1 / left) / math.log(right / left), 0.0, 1.0)
    axes.axhspan(TARGET, top, xmin=float(corner), facecolor=BAND, edgecolor="none", zorder=0)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(round(value))))
    axes.yaxis.set_major_formatter(FuncFormatter(tick_words))
    axes.set_xlabel("rows a contributor at most", labelpad=8)
    axes.grid(axis="y", color=GRID)
    return top - bottom
