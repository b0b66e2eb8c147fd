"""The page of a fit: one self-contained HTML file without scripts or requests; its policy forbids both."""

from __future__ import annotations

from importlib import resources
from typing import Any

from markupsafe import Markup

from mixval.publish.names import visible
from mixval.publish.numerals import MINUS, compact, counted, percent
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.scaling.curve_chart import curve_chart
from mixval.publish.templates import templates
from mixval.scaling.studying import Study

SHOWN_CANDIDATES = 12


def render_study(found: Study, document: dict[str, Any], source: str) -> str:
    """The page as HTML text, of a study and its document; the same study gives the same text."""
    style = resources.files("mixval.publish.report").joinpath("report.css").read_text(encoding="utf-8")
    words = (
        f"{counted(len(found.mixtures), 'panel')}, one a mixture: loss against data or size on a logarithmic axis, dots are "
        f"runs, lines the law with {percent(document['level'])} bands. The tables have every number."
    )
    text: str = (
        templates("mixval.publish.scaling")
        .get_template("page.html.j2")
        .render(
            style=Markup(style),  # noqa: S704  (our own file)
            source=visible(source),
            formula=document["formula"],
            huber="least squares on log loss"
            if document["delta"] is None
            else f"Huber's loss of log loss with delta {document['delta']:g}",
            rolled=_rolled(document["candidates"][0]["rolling_error"]),
            level=percent(document["level"]),
            most_factor=f"{document['most_factor']:g}",
            names=list(document["mixtures"][0]["fitted"]),
            mixtures=[_mixture(one) for one in document["mixtures"]],
            predictions=[_prediction(one) for one in document["predictions"]],
            candidates=[_candidate(one) for one in document["candidates"][:SHOWN_CANDIDATES]],
            warnings=[visible(line) for one in document["mixtures"] for line in one["warnings"]],
            charts=[curve_chart(found.mixtures, document["most_factor"], layout, words) for layout in LAYOUTS],
        )
    )
    return text


def _rolled(errors: dict[str, float]) -> str:
    if not errors:
        return "The table has too few runs to fit a part of them and predict the rest: nothing checks the law."
    found = " and ".join(f"{100 * error:.2f} % along {axis}" for axis, error in errors.items())
    return f"Fitted to the smaller runs alone, it misses the larger ones by {found} in the mean."


def _mixture(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": visible(one["mixture"]),
        "n_runs": str(one["n_runs"]),
        "cells": [_cell(value) for value in one["fitted"].values()],
        "noise": f"{100 * one['relative_noise']:.2f} %",
        "share": percent(one["share_at_best"]),
    }


def _prediction(one: dict[str, Any]) -> dict[str, str]:
    said = {"value": "too far to say", "interval": one["too_far_to_say"] or ""} if one["too_far_to_say"] else _cell(one)
    place = ", ".join(f"{compact(one[key])} {key}" for key in ("params", "tokens") if key in one)
    return {"name": visible(one["mixture"]), "place": place, **said}


def _candidate(one: dict[str, Any]) -> dict[str, str]:
    delta = "least squares" if one["delta"] is None else f"{one['delta']:g}"
    errors = ", ".join(f"{axis} {100 * error:.2f} %" for axis, error in one["rolling_error"].items())
    return {"law": one["law"], "delta": delta, "errors": errors or "–"}


def _cell(one: dict[str, Any]) -> dict[str, str]:
    value, low, high = (f"{one[key]:.4g}".replace("-", MINUS) for key in ("value", "low", "high"))
    return {"value": value, "interval": f"{low} to {high}"}
