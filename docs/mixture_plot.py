"""Trained and predicted values by the share of generated rows as an SVG file, the same bytes for the same results: a panel a
world and budget."""

from __future__ import annotations

from functools import partial
from typing import Any

from matplotlib.axes import Axes

from docs.svg import panels_drawn

DRAWN = ("images", "reviews")
"""Worlds that are drawn."""
LINES = {"truth": ("trained", "#0072b2", "o"), "predicted": ("predicted without training", "#d55e00", "s")}
"""Kind -> what the legend says, a colour of Okabe and Ito's palette, and a marker."""


def drawn(found: dict[str, Any]) -> str:
    """The plot of `benchmarks/results/mixing.json` as SVG text."""
    curves = [one for one in found.get("curves", []) if one["world"] in DRAWN]
    panels = [partial(_panel, ratios=found["ratios"], curve=curve) for curve in curves]
    return panels_drawn(panels, (2.5, 2.9), "nats below the best ratio", "Value by the share of generated rows", found)


def _panel(panel: Axes, ratios: list[float], curve: dict[str, Any]) -> None:
    for kind, (label, colour, marker) in LINES.items():
        best = max(curve[kind])
        heights = [value - best for value in curve[kind]]
        panel.plot([100 * ratio for ratio in ratios], heights, marker=marker, color=colour, label=label, linewidth=1.4)
    panel.set(title=f"{curve['world']}, {curve['budget']:,} rows", xlabel="generated rows, %")
