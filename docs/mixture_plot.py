"""Trained and predicted values by the share of generated rows as an SVG file, the same bytes for the same results: a panel a
world and budget."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

from docs.sketch_plot import STYLE

DRAWN = ("images", "reviews")
"""Worlds that are drawn."""
LINES = {"truth": ("trained", "#0072b2", "o"), "predicted": ("predicted without training", "#d55e00", "s")}
"""Kind -> what the legend says, a colour of Okabe and Ito's palette, and a marker."""


def digest(found: dict[str, Any]) -> str:
    """Names what is drawn; the file carries it."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def drawn(found: dict[str, Any]) -> str:
    """The plot of `benchmarks/results/mixing.json` as SVG text."""
    curves = [one for one in found.get("curves", []) if one["world"] in DRAWN]
    with mpl.rc_context(STYLE):
        figure = Drawing(figsize=(2.5 * max(len(curves), 1) + 0.4, 2.9), layout="constrained", facecolor="white")
        panels = figure.subplots(1, max(len(curves), 1), squeeze=False)[0]
        for panel, curve in zip(panels, curves, strict=False):
            _panel(panel, found["ratios"], curve)
        panels[0].set_ylabel("nats below the best ratio")
        handles = {label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(LINES), frameon=False)
        text = io.StringIO()
        told = {"Date": None, "Creator": None, "Title": "Value by the share of generated rows", "Description": digest(found)}
        FigureCanvasSVG(figure).print_svg(text, metadata=told)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _panel(panel: Axes, ratios: list[float], curve: dict[str, Any]) -> None:
    for kind, (label, colour, marker) in LINES.items():
        best = max(curve[kind])
        heights = [value - best for value in curve[kind]]
        panel.plot([100 * ratio for ratio in ratios], heights, marker=marker, color=colour, label=label, linewidth=1.4)
    panel.set(title=f"{curve['world']}, {curve['budget']:,} rows", xlabel="generated rows, %")
    panel.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
