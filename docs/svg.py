"""Plots of the documentation as SVG text, the same bytes for the same results; the text carries a name of what is drawn."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

STYLE = {"svg.fonttype": "none", "svg.hashsalt": "sketch-error", "font.family": "sans-serif", "font.size": 10}


def digest(found: Any) -> str:
    """Names what is drawn, which JSON can hold."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def panels_drawn(
    panels: Iterable[Callable[[Axes], None]],  # what draws each
    size: tuple[float, float],  # of a panel, inches
    height_label: str,
    title: str,
    found: Any,  # named in the text
    is_shared: bool = False,  # whether panels have one scale of heights
) -> str:
    """Panels side by side with one legend below, an empty one where there are none."""
    drawers, width = list(panels), size[0]
    with mpl.rc_context(STYLE):
        n = max(len(drawers), 1)
        figure = Drawing(figsize=(width * n + 0.4, size[1]), layout="constrained", facecolor="white")
        axes = figure.subplots(1, n, sharey=is_shared, squeeze=False)[0]
        for panel, draw in zip(axes, drawers, strict=False):
            draw(panel)
            panel.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
            panel.set_axisbelow(True)
        axes[0].set_ylabel(height_label)
        handles = {label: handle for panel in axes for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=max(len(handles), 1), frameon=False)
        text = io.StringIO()
        told = {"Date": None, "Creator": None, "Title": title, "Description": digest(found)}
        FigureCanvasSVG(figure).print_svg(text, metadata=told)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
