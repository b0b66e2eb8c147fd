"""The page of a study: one self-contained HTML file without scripts or requests; its policy forbids both."""

from __future__ import annotations

from importlib import resources
from typing import Any

from markupsafe import Markup

from mixval.experiments.study.page.axes import colour
from mixval.experiments.study.page.charts import asymptote_chart, contour_chart, gap_chart, good_chart, ratio_chart
from mixval.experiments.study.results import Found, GoodRatio, Place, StudyFigures
from mixval.experiments.study.trained import mixture_name
from mixval.experiments.study.words import CANNOT_SAY, cautions, findings, headline, ratio_span, setting, span_words
from mixval.publish.names import visible
from mixval.publish.numerals import percent
from mixval.publish.report.theme import LAYOUTS, variable
from mixval.publish.scaling.curve_chart import curve_chart
from mixval.publish.templates import templates
from mixval.scaling.prediction import MOST_FACTOR
from mixval.scaling.studying import Fitted

SHOWN_RATIOS = (0.0, 33.0, 67.0, 100.0)
"""Ratios whose laws are drawn, those of the paper's Figures 1 and 2, as far as they were tried."""
INTERVALS = "Vertical lines are 90 % intervals. The tables have every number."


def render_study(found: Found, run_id: str) -> str:
    """The page as HTML text; the same results give the same text."""
    figures = found.figures
    style = resources.files("mixval.publish.report").joinpath("report.css").read_text(encoding="utf-8")
    text: str = (
        templates("mixval.experiments.study.page")
        .get_template("page.html.j2")
        .render(
            style=Markup(style),  # noqa: S704  (our own file)
            run_id=run_id,
            headline=headline(figures),
            setting=setting(figures),
            cautions=cautions(figures),
            findings=findings(figures),
            budgets=_key([f"{one:,} tokens" for one in figures.budgets]),
            sizes=_key([one.name for one in figures.sizes]),
            kinds=_key(figures.synthetic),
            gap_ratios=" and ".join(f"{ratio:g} %" for ratio in _gap_ratios(figures)),
            good=[_good(one) for one in figures.good],
            places=[_place(one) for one in figures.places],
            domains=list(figures.domains),
            formula=figures.formula,
            no_law=figures.no_law,
            rolled=_rolled(figures),
            law_names=list(figures.laws[0].fitted) if figures.laws else [],
            laws=[_law(one.mixture, one.fitted) for one in figures.laws],
            warnings=[visible(line) for line in _warnings(figures)],
            most_factor=f"{MOST_FACTOR:g}",
            **_charts(found),
        )
    )
    return text


def _charts(found: Found) -> dict[str, list[Markup]]:
    """Each chart at both widths; none where there is nothing to draw."""
    figures, fits = found.figures, found.laws.fits
    charts: dict[str, list[Markup]] = {f"{name}_charts": [] for name in ("tokens", "params", "asymptote", "contour")}
    charts |= {
        "ratio_charts": [
            ratio_chart(figures, one, f"A panel a kind of synthetic text and size. {INTERVALS}") for one in LAYOUTS
        ],
        "good_charts": [good_chart(figures, one, f"A panel a kind of synthetic text. {INTERVALS}") for one in LAYOUTS],
        "gap_charts": [
            gap_chart(figures, _gap_ratios(figures), one, f"A panel a size, a colour a kind. {INTERVALS}") for one in LAYOUTS
        ],
    }
    if fits is None:
        return charts
    shown = [one for one in fits.mixtures if _is_shown(one, figures)]
    words = f"A panel a mixture: runs and the fitted law with its 90 % band; shaded is what lies beyond the runs. {INTERVALS}"
    inputs = fits.candidates[0].law.inputs
    for axis in ("tokens", "params"):
        if axis in inputs:
            name = f"{axis}_charts"
            charts[name] = [curve_chart(shown, MOST_FACTOR, one, words, axis) for one in LAYOUTS]
    charts["asymptote_charts"] = [asymptote_chart(figures, one, f"A row a mixture. {INTERVALS}") for one in LAYOUTS]
    real = next((one for one in fits.mixtures if one.runs.mixture == mixture_name("", 0.0)), None)
    if len(inputs) > 1 and real is not None:
        words = "Lines of equal loss over tokens and parameters; dots are the runs."
        charts["contour_charts"] = [contour_chart(real, MOST_FACTOR, one, words) for one in LAYOUTS]
    return charts


def _gap_ratios(figures: StudyFigures) -> tuple[float, ...]:
    """A third and all, as far as they were tried; else the largest."""
    tried = tuple(ratio for ratio in (33.0, 100.0) if ratio in figures.ratios)
    return tried or (figures.ratios[-1],)


def _is_shown(one: Fitted, figures: StudyFigures) -> bool:
    ratios = {place.mixture: place.per_cent for place in figures.places}
    return ratios[one.runs.mixture] in SHOWN_RATIOS


def _key(names: list[str]) -> list[dict[str, str]]:
    return [{"name": visible(name), "colour": variable(colour(at))} for at, name in enumerate(names)]


def _good(one: GoodRatio) -> dict[str, str]:
    return {
        "synthetic": visible(one.synthetic),
        "size": one.size,
        "tokens": f"{one.tokens:,}",
        "ratio": f"{one.per_cent.value:g} %",
        "interval": ratio_span(one.per_cent),
        "none": percent(one.shares[0]),
        "said": CANNOT_SAY if one.reason else "yes",
        "reason": one.reason,
    }


def _place(one: Place) -> dict[str, Any]:
    return {
        "mixture": visible(one.mixture),
        "size": one.size,
        "tokens": f"{one.tokens:,}",
        "loss": f"{one.loss.value:.4f}",
        "spread": f"{min(one.by_replicate):.4f} to {max(one.by_replicate):.4f}",
        "gap": "–" if not one.synthetic else span_words(one.gap),
        "by_domain": [f"{loss:.4f}" for loss in one.by_domain],
    }


def _law(mixture: str, fitted: dict[str, Any]) -> dict[str, Any]:
    cells = [span_words(span, "{:.4g}").split(" ", 1) for span in fitted.values()]
    return {"mixture": visible(mixture), "cells": [{"value": value, "interval": rest.strip("()")} for value, rest in cells]}


def _warnings(figures: StudyFigures) -> list[str]:
    said = [f"No law is fitted to {name}: {reason}" for name, reason in figures.left_out.items()]
    return [*said, *(line for one in figures.laws for line in one.warnings)]


def _rolled(figures: StudyFigures) -> str:
    if not figures.rolled:
        return "There are too few runs to fit a part of them and predict the rest: nothing checks the laws."
    found = " and ".join(f"{100 * error:.2f} % along {axis}" for axis, error in figures.rolled.items())
    paper = (
        "The paper has 0.41 % along tokens (100B to 200B) and 0.30 % along parameters (2B to 3B), each for a law of one input"
    )
    return f"Fitted to the smaller runs alone, they miss the larger ones by {found} in the mean. {paper}."
