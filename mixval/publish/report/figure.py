"""Figures drawn by matplotlib, written as SVG inside a page.

Names from outside never reach matplotlib: it draws a placeholder, and the escaped name takes its place in the SVG. So no
name is read as mathematics, no missing glyph warns, and the reader's own fonts show emoji and other scripts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from markupsafe import Markup, escape
from rich.cells import cell_len

from mixval.publish.names import shortened
from mixval.publish.numerals import MINUS
from mixval.publish.report.theme import CAPITAL_EM, CELL_EM, GRID, INK, LABEL_GAP, MUTED, WIDE_EM, Layout, variable

PLACEHOLDER = re.compile(r">N(\d{5})N<")
COLOUR = re.compile(r"#[0-9a-f]{6}\b")
FONT_FAMILY = re.compile(r"font-family: [^;\"]*;? ?")
IDENTITY = re.compile(r'(\bid="|href="#|url\(#)([\w.-]+)')
GROUP = re.compile(r'(<g id="([\w.-]+)">)')


@contextmanager
def drawing(salt: str, layout: Layout) -> Iterator[None]:
    """matplotlib set up for one reproducible chart: text as text, identifiers from `salt`, quiet axes."""
    import matplotlib as mpl

    settings: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"{salt}-{layout.name}",
        "font.size": layout.font_size,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.titlecolor": INK,
        "axes.labelsize": layout.font_size,
        "axes.titlesize": layout.font_size,
        "axes.titley": 1.0,  # else each drawing measures every tick for a title that could stand in its way
        "axes.edgecolor": GRID,
        "axes.spines.left": False,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "grid.color": GRID,
        "grid.linewidth": 1.0,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": layout.font_size - 1,
        "ytick.labelsize": layout.font_size - 1,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
    }
    with mpl.rc_context(settings):
        yield


def canvas(width: float, height: float) -> Any:
    """An empty figure of that size in CSS pixels, on the SVG backend, without pyplot's state."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    FigureCanvasSVG(figure)
    return figure


def axes_at(figure: Any, left: float, top: float, width: float, height: float) -> Any:
    """Axes whose box is given in CSS pixels from the figure's upper left corner."""
    full_width, full_height = (72 * side for side in figure.get_size_inches())
    box = (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    axes = figure.add_axes(box)
    axes.patch.set_visible(False)
    return axes


def placeholder(index: int) -> str:
    """What matplotlib draws in the place of text number `index`."""
    return f"N{index:05d}N"


def text_ems(text: str) -> float:
    """Width of a text in the font's size, on the generous side for the wide fonts among what readers have."""
    ems = (WIDE_EM if char in "mwMW@%…—" else CAPITAL_EM if char.isupper() else CELL_EM * cell_len(char) for char in text)
    return sum(ems)


def fitted(name: str, ems: float) -> str:
    """The visible name, shortened to that width."""
    for limit in range(int(ems / CELL_EM), 3, -1):
        shown = shortened(name, limit)
        if text_ems(shown) <= ems:
            return shown
    return shortened(name, 3)


def name_room(names: Sequence[str], layout: Layout) -> tuple[list[str], int]:
    """The names as they fit, and the CSS pixels that the longest takes, gap to the axes included."""
    shown = [fitted(name, (layout.label_width - LABEL_GAP) / layout.font_size) for name in names]
    longest = max(text_ems(name) for name in shown)
    return shown, min(layout.label_width, round(layout.font_size * longest) + LABEL_GAP)


def tick_words(value: float, _position: int = 0) -> str:
    """A tick label without offsets: at most four digits, with a true minus sign."""
    return f"{value:.4g}".replace("-", MINUS)


def inline_svg(
    figure: Any,
    chart: str,
    layout: Layout,
    title: str,
    description: str,
    texts: Sequence[str] = (),  # text i replaces placeholder(i)
    tooltips: Mapping[str, str] | None = None,  # gid -> text shown on hovering
) -> Markup:
    """The figure as one `<svg role="img">` element; identifiers are unique to chart and layout."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawn = buffer.getvalue()
    body = drawn[drawn.index(">", drawn.index("<svg")) + 1 : drawn.rindex("</svg>")]
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    body = COLOUR.sub(lambda match: f"var(--{variable(match[0])})", FONT_FAMILY.sub("", body))
    body = GROUP.sub(lambda match: match[1] + _tooltip((tooltips or {}).get(match[2])), body)
    key = f"{chart}-{layout.name}"
    body = IDENTITY.sub(lambda match: f"{match[1]}{key}-{match[2]}", body)
    body = PLACEHOLDER.sub(lambda match: f">{escape(texts[int(match[1])])}<", body)
    width, height = (round(72 * side) for side in figure.get_size_inches())
    head = Markup(
        '<svg class="chart {layout}" data-chart="{chart}" data-layout="{layout}" role="img"'
        ' aria-labelledby="{key}-title {key}-desc" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<title id="{key}-title">{title}</title><desc id="{key}-desc">{desc}</desc>'
    ).format(layout=layout.name, chart=chart, key=key, width=width, height=height, title=title, desc=description)
    return head + Markup(body + "</svg>")  # noqa: S704  (matplotlib's own drawing; every text from outside was escaped above)


def _tooltip(text: str | None) -> str:
    return "" if text is None else f"<title>{escape(text)}</title>"
