"""The page of an experiment: one self-contained HTML file without scripts or requests; its policy forbids both."""

from __future__ import annotations

from importlib import resources
from typing import Any

from markupsafe import Markup

from mixval.experiments.page.chart import experiment_chart
from mixval.experiments.results import ExperimentFigures
from mixval.experiments.words import findings, headline, setting, share
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.templates import templates


def render_experiment(figures: ExperimentFigures, run_id: str) -> str:
    """The page as HTML text; the same figures give the same text."""
    style = resources.files("mixval.publish.report").joinpath("report.css").read_text(encoding="utf-8")
    words = (
        f"{len(figures.weightings)} panels, one a weighting of the test's classes: error against training rows, both on "
        "logarithmic axes. "
        "Dots are means over replicates, lines the exact curve and the fitted one. The table has every number."
    )
    text: str = (
        templates("mixval.experiments.page")
        .get_template("page.html.j2")
        .render(
            style=Markup(style),  # noqa: S704  (our own file)
            run_id=run_id,
            headline=headline(figures),
            setting=setting(figures),
            charts=[experiment_chart(figures, layout, words) for layout in LAYOUTS],
            weightings=[{"name": one.name, "findings": findings(figures, one)} for one in figures.weightings],
            names=[one.name for one in figures.weightings],
            lines=[_line(figures, at) for at in range(len(figures.sizes))],
        )
    )
    return text


def _line(figures: ExperimentFigures, at: int) -> dict[str, Any]:
    cells = []
    for one in figures.weightings:
        own = [errors[at] for errors in one.errors]
        cells.append(
            {
                "value": share(one.means[at]),
                "interval": f"{share(min(own))} to {share(max(own))}",
                "exact": share(one.exact[at]),
            }
        )
    return {"rows": f"{figures.sizes[at]:,}", "classes": f"{figures.classes_drawn[at]:.1f}", "cells": cells}
