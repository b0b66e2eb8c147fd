"""The sketched term's error over q as an SVG file, the same bytes for the same figures: a panel a backbone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from docs.engine_tables import Figure
from docs.svg import panels_drawn

NAME = re.compile(r"sketch_term_error/(?P<backbone>[^/]+)/q_(?P<q>\d+)(?:/(?P<kind>\w+))?")
LINES = {
    "": ("as sketched", "#0072b2", "o"),
    "unbiased": ("without its bias", "#d55e00", "s"),
    "stated": ("stated for the sketched one", "#666666", "x"),
}
"""Kind -> what the legend says, a colour of Okabe and Ito's palette, and a marker."""
Points = dict[str, dict[str, list[tuple[int, float]]]]
"""Backbone -> kind -> (q, relative error), by q."""


def points(figures: Sequence[Figure]) -> Points:
    """The errors among the figures."""
    found: Points = {}
    for one in figures:
        named = NAME.fullmatch(one["name"])
        if named and one["figure"] is not None and (named["kind"] or "") in LINES:
            lines = found.setdefault(named["backbone"], {})
            lines.setdefault(named["kind"] or "", []).append((int(named["q"]), float(one["figure"])))
    return {backbone: {kind: sorted(held) for kind, held in lines.items()} for backbone, lines in found.items()}


def drawn(found: Points) -> str:
    """The plot as SVG text."""
    panels = [partial(_panel, backbone=backbone, lines=lines) for backbone, lines in found.items()]
    return panels_drawn(
        panels, (3.1, 3.3), "relative error of the NTK term, %", "Error of the sketched NTK term over q", found, is_shared=True
    )


def _panel(panel: Axes, backbone: str, lines: dict[str, list[tuple[int, float]]]) -> None:
    for kind, (label, colour, marker) in LINES.items():
        if kind in lines:
            q, errors = zip(*lines[kind], strict=True)
            panel.plot(q, [100 * error for error in errors], marker=marker, color=colour, label=label, linewidth=1.4)
    ticks = sorted({q for line in lines.values() for q, _ in line})
    panel.set(title=backbone, xlabel="q, features", xscale="log", yscale="log", xticks=ticks)
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticks(ticks, [str(q) for q in ticks], fontsize=8)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def error_table(found: Points) -> str:
    """Errors as Markdown: a row a q, and for each backbone as sketched, without its bias, stated."""
    widths = sorted({q for lines in found.values() for line in lines.values() for q, _ in line})
    rows = [f"| q | {' | '.join(found)} |", f"| --- |{' --- |' * len(found)}"]
    for width in widths:
        cells = [" / ".join(_percent(dict(lines.get(kind, [])).get(width)) for kind in LINES) for lines in found.values()]
        rows.append(f"| {width:,} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _percent(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:.2g} %" if error < 1 else f"{100 * error:.0f} %"
