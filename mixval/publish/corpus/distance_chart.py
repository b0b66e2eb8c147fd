"""Figure 9b of 2510.01631: KL of each corpus to a target with its interval, and what its size alone would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from mixval.publish.numerals import compact
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room, placeholder
from mixval.publish.report.theme import COMPLEMENT, GRID, INK, MUTED, PAPER, Layout

TOP, BOTTOM, RIGHT = 8, 44, 16
LEAST_ROOM = 170
"""CSS pixels for names, on narrow screens too."""


def distance_chart(rows: Sequence[dict[str, Any]], target: str, position: int, layout: Layout) -> Markup:
    """The chart, nearest first. Rows have `name` and the estimates `kl` and `kl_floor`. Marks: `kl-I` of row I."""
    names, room = name_room([row["name"] for row in rows], replace(layout, label_width=max(layout.label_width, LEAST_ROOM)))
    height = len(rows) * layout.row_height
    words = f"KL divergence of {target} from each corpus, in nats a token; the tables have every number."
    tooltips = {}
    with drawing(f"distance-{position}", layout):
        figure = canvas(layout.width, TOP + height + BOTTOM)
        axes = axes_at(figure, room, TOP, layout.width - room - RIGHT, height)
        for at, row in enumerate(rows):
            found, floor = row["kl"], row["kl_floor"]["value"]
            if found["low"] is not None:
                axes.plot(
                    [found["low"], found["high"]], [at, at], color=COMPLEMENT, linewidth=3, alpha=0.5, solid_capstyle="butt"
                )
            (dot,) = axes.plot([found["value"]], [at], "o", markersize=7, color=COMPLEMENT, markeredgecolor=PAPER)
            dot.set_gid(f"kl-{at}")
            if floor is not None:
                axes.plot([floor], [at], "|", markersize=11, color=INK)
            tooltips[f"kl-{at}"] = f"{row['name']}: {compact(found['value'])}; of its size alone {compact(floor)}"
        axes.set_yticks(range(len(rows)), [placeholder(at) for at in range(len(rows))])
        axes.tick_params(axis="y", labelcolor=INK, labelsize=layout.font_size)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.grid(axis="x", color=GRID)
        axes.set_xlabel("nats a token", labelpad=6, color=MUTED)
        return inline_svg(figure, f"distance-{position}", layout, "Distance to the target", words, names, tooltips)
