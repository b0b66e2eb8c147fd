"""Charts of a study: loss over ratios, good ratios, gaps over data, irreducible losses, and the contours of a law.

They follow Figures 1 to 8 of arXiv 2510.01631; curves of laws along data and size are those of `mixval scaling fit`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from mixval.experiments.study.page.axes import (
    STYLES,
    colour,
    number_axis,
    panels,
    ratio_axis,
    ratio_place,
    rounded,
    token_axis,
)
from mixval.experiments.study.results import StudyFigures
from mixval.experiments.study.trained import mixture_name
from mixval.experiments.study.words import ratio_span, span_words
from mixval.publish.report.figure import axes_at, canvas, drawing, inline_svg, name_room, placeholder, tick_words
from mixval.publish.report.theme import ACCENT, GRID, INK, MUTED, PAPER, Layout
from mixval.scaling.studying import Fitted

ASIDE = 0.012
"""Distance of two series' marks at one place, as a share of the axis."""
CONTOURS = 9
ROW, HEAD, FOOT = 26, 12, 46


def ratio_chart(figures: StudyFigures, layout: Layout, words: str) -> Markup:
    """Loss less that of real text over ratios: a panel a kind and size, a line a budget. Marks: `dot-P-B-R`."""
    cells = [(name, size.name) for name in figures.synthetic for size in figures.sizes]
    titles = [f"{name}, {size}" for name, size in cells]

    def draw(axes: Any, panel: int) -> dict[str, str]:
        name, size = cells[panel]
        tooltips, own = {}, [ratio for ratio in figures.ratios if ratio > 0]
        axes.axhline(0, color=MUTED, linewidth=1, zorder=1)
        for at, tokens in enumerate(figures.budgets):
            places = [figures.at[name, ratio, size, tokens] for ratio in own]
            x = np.array([ratio_place(ratio) for ratio in own]) + (at - 1) * ASIDE * ratio_place(own[-1])
            gaps = [one.gap.value for one in places]
            axes.plot([0.0, *x], [0.0, *gaps], color=colour(at), linestyle=STYLES[at % len(STYLES)], linewidth=1.4, zorder=2)
            axes.vlines(x, [one.gap.low for one in places], [one.gap.high for one in places], colors=colour(at), linewidth=1.2)
            for place, one in enumerate(places):
                (dot,) = axes.plot([x[place]], [one.gap.value], "o", markersize=5, zorder=3)
                dot.set(markerfacecolor=colour(at), markeredgecolor=PAPER, gid=f"dot-{panel}-{at}-{place}")
                told = f"{one.mixture}, {size}, {tokens:,} tokens: {span_words(one.gap)}; loss {one.loss.value:.4f}"
                tooltips[f"dot-{panel}-{at}-{place}"] = told
        ratio_axis(axes.xaxis, figures.ratios, "synthetic share, %")
        number_axis(axes)
        return tooltips

    return panels("ratios", titles, layout, ("Loss over the synthetic share", words), draw)


def good_chart(figures: StudyFigures, layout: Layout, words: str) -> Markup:
    """Good ratios over budgets: a panel a kind, a series a size; hollow where none is said. Marks: `good-P-S-B`."""

    def draw(axes: Any, panel: int) -> dict[str, str]:
        tooltips = {}
        for series, size in enumerate(figures.sizes):
            found = [one for one in figures.good if (one.synthetic, one.size) == (figures.synthetic[panel], size.name)]
            for at, one in enumerate(found):
                x = one.tokens * np.exp((series - (len(figures.sizes) - 1) / 2) * 0.09)
                low, high = ratio_place(one.per_cent.low), ratio_place(one.per_cent.high)
                axes.vlines([x], [low], [high], colors=colour(series), linewidth=1.6)
                (dot,) = axes.plot([x], [ratio_place(one.per_cent.value)], "o", markersize=7, zorder=3)
                dot.set(markerfacecolor=PAPER if one.reason else colour(series), markeredgecolor=colour(series))
                dot.set_gid(f"good-{panel}-{series}-{at}")
                span = f"{one.per_cent.value:g} % ({ratio_span(one.per_cent)})"
                tooltips[f"good-{panel}-{series}-{at}"] = f"{size.name}, {one.tokens:,} tokens: {span}"
        token_axis(axes, figures.budgets)
        ratio_axis(axes.yaxis, figures.ratios, "good share, %")
        axes.set_ylim(-0.5, ratio_place(figures.ratios[-1]) + 0.5)
        axes.set_xlim(figures.budgets[0] / 1.4, figures.budgets[-1] * 1.4)
        return tooltips

    return panels("good", figures.synthetic, layout, ("Good ratios over budgets", words), draw)


def gap_chart(figures: StudyFigures, ratios: tuple[float, ...], layout: Layout, words: str) -> Markup:
    """Gaps to real text over budgets: a panel a size, a colour a kind, a style a ratio. Marks: `gap-P-K-R-B`."""

    def draw(axes: Any, panel: int) -> dict[str, str]:
        tooltips, size = {}, figures.sizes[panel].name
        axes.axhline(0, color=MUTED, linewidth=1, zorder=1)
        for kind, name in enumerate(figures.synthetic):
            for style, ratio in enumerate(ratios):
                found = [figures.at[name, ratio, size, tokens] for tokens in figures.budgets]
                x, key = np.array(figures.budgets) * np.exp((kind - 0.5) * 0.05), colour(kind)
                axes.plot(x, [one.gap.value for one in found], color=key, linestyle=STYLES[style], linewidth=1.5, zorder=2)
                axes.vlines(x, [one.gap.low for one in found], [one.gap.high for one in found], colors=key, linewidth=1.2)
                for at, one in enumerate(found):
                    (dot,) = axes.plot([x[at]], [one.gap.value], "o", markersize=5, zorder=3)
                    dot.set(markerfacecolor=key, markeredgecolor=PAPER, gid=f"gap-{panel}-{kind}-{style}-{at}")
                    told = f"{one.mixture}, {size}, {one.tokens:,} tokens: {span_words(one.gap)}"
                    tooltips[f"gap-{panel}-{kind}-{style}-{at}"] = told
        token_axis(axes, figures.budgets)
        number_axis(axes)
        axes.set_xlim(figures.budgets[0] / 1.4, figures.budgets[-1] * 1.4)
        return tooltips

    titles = [one.name for one in figures.sizes]
    return panels("gaps", titles, layout, ("Gap to real text over data", words), draw)


def asymptote_chart(figures: StudyFigures, layout: Layout, words: str) -> Markup:
    """E of each mixture's law with its interval, a row each. Marks: `asymptote-I`."""
    rows = [(one.mixture, one.fitted["E"]) for one in figures.laws]
    names, room = name_room([name for name, _ in rows], layout)
    height, tooltips = ROW * len(rows), {}
    with drawing("asymptotes", layout):
        figure = canvas(layout.width, HEAD + height + FOOT)
        axes = axes_at(figure, room, HEAD, layout.width - room - 20, height)
        for at, (name, span) in enumerate(rows):
            axes.hlines([at], [span.low], [span.high], colors=ACCENT, linewidth=1.8)
            (dot,) = axes.plot([span.value], [at], "o", markersize=6, zorder=3)
            dot.set(markerfacecolor=INK, markeredgecolor=PAPER, gid=f"asymptote-{at}")
            tooltips[f"asymptote-{at}"] = f"{name}: {span_words(span, '{:.4f}')}"
        axes.set_yticks(range(len(rows)), [placeholder(at) for at in range(len(rows))])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(lambda value, _: tick_words(value))
        axes.set_xlabel("irreducible loss E, nats a token", labelpad=6, color=MUTED)
        axes.grid(axis="x", color=GRID)
        return inline_svg(figure, "asymptotes", layout, "Irreducible losses of the fitted laws", words, names, tooltips)


def contour_chart(one: Fitted, most_factor: float, layout: Layout, words: str) -> Markup:
    """Lines of equal loss of a law L(N, D), as far as something is said, and the runs. Marks: `run-0-I`."""

    def draw(axes: Any, _panel: int) -> dict[str, str]:
        from matplotlib.ticker import FuncFormatter, NullFormatter

        params, tokens = one.runs.columns["params"], one.runs.columns["tokens"]
        across = np.geomspace(tokens.min() / most_factor, tokens.max() * most_factor, 60)
        up = np.geomspace(params.min() / most_factor, params.max() * most_factor, 60)
        grid = {"params": np.repeat(up, len(across)), "tokens": np.tile(across, len(up))}
        losses = one.fit.predict(grid).reshape(len(up), len(across))
        lines = axes.contour(across, up, losses, levels=CONTOURS, colors=[ACCENT], linewidths=1.2)
        axes.clabel(lines, fmt=tick_words, fontsize=layout.font_size - 2, colors=[INK])
        places = sorted(set(zip(tokens.tolist(), params.tolist(), strict=True)))
        for at, (x, y) in enumerate(places):
            (dot,) = axes.plot([x], [y], "o", markersize=5, zorder=3)
            dot.set(markerfacecolor=INK, markeredgecolor=PAPER, gid=f"run-0-{at}")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: rounded(value)))
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("training tokens", labelpad=6, color=MUTED)
        axes.set_ylabel("parameters", labelpad=6, color=MUTED)
        return {f"run-0-{at}": f"{y:,.0f} parameters, {x:,.0f} tokens" for at, (x, y) in enumerate(places)}

    return panels("contours", [mixture_name("", 0.0)], layout, ("Contours of the law of real text", words), draw)
