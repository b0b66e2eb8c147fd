"""The evidence page: one self-contained HTML file from stored results and additional sections. It has no
scripts and makes no requests; its policy forbids both."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from markupsafe import Markup

from mixval.errors import ContractError
from mixval.evidence.bootstrap import LEVEL
from mixval.evidence.comparison import OURS, Comparison, compare
from mixval.evidence.page import view
from mixval.evidence.page.cost_plot import comparable, cost_plot
from mixval.evidence.page.section import Section
from mixval.evidence.page.truth_plot import truth_plot
from mixval.evidence.results import WorldResult
from mixval.publish.names import visible
from mixval.publish.numerals import counted, percent
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.templates import templates


def render_page(results: Sequence[WorldResult], ours: str = OURS, sections: Sequence[Section] = ()) -> str:
    """The page as HTML text; the same results and sections give the same text.

    Raises as `compare` does, and ContractError for two sections of one key.
    """
    _check_keys(sections)
    comparison = compare(results, ours)
    style = resources.files("mixval.publish.report").joinpath("report.css").read_text(encoding="utf-8")
    first, second = view.headline(comparison)
    text: str = (
        templates("mixval.evidence.page")
        .get_template("page.html.j2")
        .render(
            style=Markup(style),  # noqa: S704  (our own file)
            headline=first,
            lede=second,
            level=percent(LEVEL),
            worlds=[visible(world) for world in comparison.worlds],
            ours=visible(ours),
            lines=view.method_lines(comparison),
            losses=view.losses(comparison),
            skipped=view.skipped(results),
            commands=[visible(one.command) for one in results if one.command],
            sections=sections,
            **_charts(results, comparison),
        )
    )
    return text


def _check_keys(sections: Sequence[Section]) -> None:
    keys = [section.key for section in sections]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise ContractError(f"evidence page: expected sections of unlike keys, found {', '.join(repeated)} twice. Rename one.")


def _charts(results: Sequence[WorldResult], comparison: Comparison) -> dict[str, Any]:
    n_methods = counted(len(comparable(comparison)), "method")
    words = f"{n_methods}: seconds a world on a logarithmic axis against mean Spearman. The table above has every number."
    return {
        "cost": [cost_plot(comparison, layout, words) for layout in LAYOUTS],
        "plots": [_plot(result, comparison, at) for at, result in enumerate(results)],
    }


def _plot(result: WorldResult, comparison: Comparison, at: int) -> dict[str, Any]:
    methods = view.panels(comparison, result.world)
    words = f"{counted(len(methods), 'panel')}, one a method; {counted(len(result.truth), 'dot')} in each, one a contributor."
    return {
        "world": visible(result.world),
        "words": view.world_words(result),
        "notes": view.world_notes(result),
        "lines": view.world_lines(result),
        "charts": [truth_plot(result, methods, f"truth-{at}", layout, words) for layout in LAYOUTS],
    }
