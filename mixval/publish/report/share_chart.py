"""Chart: what each weighted term adds to a contributor's value by Eq. 8, bars stacked to both sides of a reference."""

from __future__ import annotations

import statistics

from markupsafe import Markup

from mixval.contracts.terms import TERMS
from mixval.publish.report.chart_rows import ChartRow
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room
from mixval.publish.report.ranking_chart import BOTTOM, RIGHT, TOP, row_axis
from mixval.publish.report.theme import INK, PAPER, Layout, term_colour


def references(rows: list[ChartRow]) -> dict[str, float]:
    """Term -> the weighted part from which its bars are drawn.

    Zero where parts have both signs. Where all have one sign (weights that do not standardise), the median part, since bars
    from zero would hardly differ.
    """
    parts = [part for row in rows for part in row.weighted.values()]
    if len(rows) < 2 or min(parts) < 0 < max(parts):
        return dict.fromkeys(TERMS, 0.0)
    return {term: statistics.median(row.weighted[term] for row in rows) for term in TERMS}


def share_chart(rows: list[ChartRow], layout: Layout, description: str, adds_terms: bool = True) -> Markup:
    """The chart as inline SVG. Marks: `part-TERM-i` a bar, `net-i` their sum, the value itself where it `adds_terms`."""
    whole = "the value" if adds_terms else "Eq. 8's value"
    base = references(rows)
    with drawing("shares", layout):
        height = layout.row_height * len(rows)
        names, room = name_room([row.name for row in rows], layout)
        figure = canvas(layout.width, TOP + height + BOTTOM)
        axes = axes_at(figure, room, TOP, layout.width - room - RIGHT, height)
        tooltips: dict[str, str] = {}
        for index, row in enumerate(rows):
            ends = {True: 0.0, False: 0.0}
            for term in TERMS:
                part = row.weighted[term] - base[term]
                bar = axes.barh(index, part, 0.62, left=ends[part > 0], color=term_colour(term), edgecolor=PAPER, linewidth=0.8)
                bar[0].set_gid(f"part-{term}-{index}")
                tooltips[f"part-{term}-{index}"] = f"{TERMS[term].label}: {part:+.3g}"
                ends[part > 0] += part
            net = sum(row.weighted[term] - base[term] for term in TERMS)
            (mark,) = axes.plot([net], [index], "D", markersize=6.5, markerfacecolor=INK, zorder=4)
            mark.set_markeredgecolor(PAPER)
            mark.set_gid(f"net-{index}")
            tooltips[f"net-{index}"] = row.words if adds_terms else f"Eq. 8: {sum(row.weighted.values()):+.3g}"
        row_axis(axes, rows)
        axes.set_xlabel(f"added to {whole}" if not any(base.values()) else "added, compared with the median", labelpad=8)
        return inline_svg(figure, "shares", layout, f"What each term adds to {whole}", description, names, tooltips)
