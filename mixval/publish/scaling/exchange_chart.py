"""Chart: what one more per cent of mixed rows is worth in real ones along n, a line a generator, as an SVG file."""

from __future__ import annotations

import io
import itertools
from typing import Any

from mixval.publish.report.figure import canvas
from mixval.scaling.generators import Compared, curves

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#666666")
"""Of Okabe and Ito's palette."""
WIDTH, HEIGHT = 620, 330
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "exchange", "font.family": "sans-serif", "font.size": 10}


def exchange_chart(compared: list[Compared]) -> str:
    """The chart as SVG text, the same bytes for the same curves. Vertical lines: k^beta and k^beta / pi."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure = canvas(WIDTH, HEIGHT)
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        for (words, (n, rate)), colour in zip(curves(compared).items(), itertools.cycle(COLOURS), strict=False):
            axes.plot(n, rate, color=colour, linewidth=1.6, label=words)
        _frame(axes, compared[0].first, compared[0].second)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        text = io.StringIO()
        told = {"Date": None, "Creator": None, "Title": "Real rows that one per cent more mixed rows are worth, in per cent"}
        figure.canvas.print_svg(text, metadata=told)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _frame(axes: Any, first: float, second: float) -> None:
    axes.axhline(0.5, color="#bbbbbb", linewidth=0.8, zorder=0)
    for place, words in ((first, "k^beta"), (second, "k^beta / pi")):
        axes.axvline(place, color="#bbbbbb", linewidth=0.8, zorder=0)
        axes.text(place, 1.12, words, ha="center", fontsize=9, color="#555555")
    axes.set(xscale="log", xlim=(max(first / 300, 20), second * 300), ylim=(0, 1.1))
    axes.set(xlabel="rows of mixed data", ylabel="exchange, d log m / d log n")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
