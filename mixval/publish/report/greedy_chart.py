"""Chart: the greedy order from top to bottom, with the value of the coalition after each step."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from mixval.publish.coalition_values import CoalitionValues
from mixval.publish.names import shortened
from mixval.publish.numerals import fixed
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room
from mixval.publish.report.ranking_chart import BOTTOM, RIGHT, TOP
from mixval.publish.report.row_axes import row_names, value_axis
from mixval.publish.report.theme import ACCENT, INK, MUTED, PAPER, Layout, closer

WIDER_NAMES = 1.3
"""Names are preceded by their step."""


def greedy_chart(found: CoalitionValues, value_of_all: float, decimals: int, layout: Layout, description: str) -> Markup:
    """The chart as inline SVG. Marks: `step-i` a coalition, `path` between them, `all` at the value of all contributors
    together."""
    n_steps, best = len(found.greedy), int(found.greedy_values.argmax())
    layout = closer(replace(layout, label_width=round(WIDER_NAMES * layout.label_width)), n_steps)
    with drawing("greedy", layout):
        height = layout.row_height * n_steps
        labels = [f"{step}  {found.names[place]}" for step, place in enumerate(found.greedy, 1)]
        names, room = name_room(labels, layout)
        figure = canvas(layout.width, TOP + height + BOTTOM)
        axes = axes_at(figure, room, TOP, layout.width - room - RIGHT, height)
        all_together = axes.axvline(value_of_all, color=MUTED, linewidth=1.5, linestyle=(0, (4, 3)), zorder=1)
        all_together.set_gid("all")
        (path,) = axes.plot(found.greedy_values, range(n_steps), color=ACCENT, linewidth=2, zorder=2)
        path.set_gid("path")
        tooltips = {}
        for step, value in enumerate(found.greedy_values):
            face = INK if step <= best else PAPER
            (dot,) = axes.plot([value], [step], "o", markersize=8, markerfacecolor=face, markeredgecolor=INK, zorder=3)
            dot.set_gid(f"step-{step}")
            name = shortened(found.names[found.greedy[step]], 60)
            tooltips[f"step-{step}"] = f"{step + 1} together, {name} last: {fixed(float(value), decimals)}"
        row_names(axes, [INK if step <= best else MUTED for step in range(n_steps)])
        axes.margins(x=0.06)
        value_axis(axes, n_steps)
        axes.set_xlabel("value of the coalition", labelpad=8)
        return inline_svg(
            figure, "greedy", layout, "The value of the coalition as contributors join", description, names, tooltips
        )
