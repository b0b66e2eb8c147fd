"""Chart: measured errors over rows beside the exact curve, a panel a weighting, with where the lemma's breakpoints lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from mixval.experiments.curves import levelled
from mixval.experiments.results import ExperimentFigures, Weighting
from mixval.experiments.words import share
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, tick_words
from mixval.publish.report.theme import ACCENT, GRID, INK, MUTED, PAPER, SUBSTITUTE, Layout
from mixval.publish.scaling.curve_chart import magnitude
from mixval.scaling.expected_error import expected_error
from mixval.scaling.knowledge import Generator, Mixture
from mixval.scaling.laws import Floats

PANEL_HEIGHT, TITLE_HEIGHT, AXIS_HEIGHT, LEFT, GAP = 260, 34, 50, 56, 20
PLACES = 160
BEYOND = 1.5
"""The axis goes this far beyond the samples and the second breakpoint."""
DECADES = 4.0
"""Most decades that an axis of errors shows below 100 %."""


def experiment_chart(figures: ExperimentFigures, layout: Layout, description: str) -> Markup:
    """The chart as inline SVG. Marks: `dot-P-J` the mean at size J of panel P; `exact-P`, `level-P`, `breakpoint-P-I`."""
    across = min(len(figures.weightings), layout.panels_across // 2)
    block, width = TITLE_HEIGHT + PANEL_HEIGHT + AXIS_HEIGHT, layout.width / across
    tooltips: dict[str, str] = {}
    with drawing("experiment", layout):
        figure = canvas(layout.width, block * -(-len(figures.weightings) // across))
        for panel, one in enumerate(figures.weightings):
            line, column = divmod(panel, across)
            inner = width - LEFT - GAP
            axes = axes_at(figure, column * width + LEFT, line * block + TITLE_HEIGHT, inner, PANEL_HEIGHT)
            tooltips |= _panel(axes, figures, one, panel)
            axes.set_title(f"{one.name} error", loc="left", pad=10, weight="bold", x=-LEFT / inner)
        return inline_svg(figure, "experiment", layout, "Errors over training rows", description, (), tooltips)


def _panel(axes: Any, figures: ExperimentFigures, one: Weighting, panel: int) -> dict[str, str]:
    """Draws one panel and returns its tooltips."""
    sizes, errors, is_balanced = np.array(figures.sizes), np.array(one.errors), panel == 0
    last = max(float(sizes[-1]), figures.formula[1]) * BEYOND
    rows = np.geomspace(float(sizes[0]) / BEYOND, last, PLACES)
    mixture = Mixture(figures.beta, figures.real, Generator("cut", figures.cut), figures.n_classes)
    exact = expected_error(mixture, rows, None, is_balanced)
    for at, place in enumerate(figures.formula):
        axes.axvline(place, color=GRID, linewidth=1, zorder=0).set_gid(f"breakpoint-{panel}-{at}")
    (line,) = axes.plot(rows, exact, color=MUTED, linewidth=1.4, linestyle=(0, (4, 3)), zorder=1)
    line.set_gid(f"exact-{panel}")
    level = levelled(rows, mixture, is_balanced, one.right.value, one.needed.value)
    (line,) = axes.plot(rows, level, color=SUBSTITUTE, linewidth=1.6, zorder=2)
    line.set_gid(f"level-{panel}")
    axes.vlines(sizes, errors.min(axis=0), errors.max(axis=0), colors=ACCENT, linewidth=1.4, zorder=2)
    tooltips = {}
    for at, (size, mean) in enumerate(zip(figures.sizes, one.means, strict=True)):
        (dot,) = axes.plot([size], [mean], "o", markersize=6, zorder=3)
        dot.set(markerfacecolor=INK, markeredgecolor=PAPER, gid=f"dot-{panel}-{at}")
        tooltips[f"dot-{panel}-{at}"] = f"{size:,} rows: {share(mean)}, the lemma's {share(one.exact[at])}"
    _frame(axes, rows, np.concatenate([errors.ravel(), exact]))
    return tooltips


def _frame(axes: Any, rows: Floats, shown: Floats) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(rows[0], rows[-1])
    lowest = max(float(shown[shown > 0].min()), 10**-DECADES)
    axes.set_ylim(lowest / 1.3, 1.2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: magnitude(value)))
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{tick_words(100 * value)} %"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("training rows", labelpad=6, color=MUTED)
    axes.grid(axis="y", color=GRID)
