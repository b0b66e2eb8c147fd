"""Fits of scaling laws, predictions and advice as plain values, for JSON, CSV and tables."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mixval.scaling.advice import Crossing, Standing
from mixval.scaling.laws import Floats
from mixval.scaling.prediction import LEVEL, Interval
from mixval.scaling.studying import Fitted, Study, spread
from mixval.scaling.worth import Worth

Point = dict[str, float]
"""A planned run: input and value."""


def study_document(found: Study, points: Sequence[Point], most_factor: float, seed: int) -> dict[str, Any]:
    """What was fitted, how it was chosen, and what it says of the planned runs."""
    best = found.candidates[0]
    return {
        "law": best.law.name,
        "formula": best.law.formula,
        "delta": None if math.isinf(best.delta) else best.delta,
        "level": LEVEL,
        "most_factor": most_factor,
        "noise_correlation": found.correlation,
        "candidates": [
            {"law": one.law.name, "delta": None if math.isinf(one.delta) else one.delta, "rolling_error": one.errors}
            for one in found.candidates
        ],
        "mixtures": [mixture_document(one) for one in found.mixtures],
        "predictions": [one for fitted in found.mixtures for one in predictions(fitted, points, most_factor, seed)],
    }


def mixture_document(one: Fitted) -> dict[str, Any]:
    """A mixture's law with intervals, and how far it can be trusted."""
    drawn = one.draws.named
    return {
        "mixture": one.runs.mixture,
        "n_runs": len(one.runs),
        "ranges": {name: [float(values.min()), float(values.max())] for name, values in one.runs.columns.items()},
        "fitted": {
            name: dict(zip(("value", "low", "high"), (value, *spread(drawn[name])), strict=True))
            for name, value in one.fit.named.items()
        },
        "relative_noise": one.fit.sigma,
        "n_starts": one.fit.n_starts,
        "share_at_best": one.fit.share_at_best,
        "at_bounds": list(one.fit.at_bounds),
        "widening": one.wide.kappa,
        "n_folds": one.wide.n_folds,
        "warnings": list(one.warnings),
    }


def predictions(one: Fitted, points: Sequence[Point], most_factor: float, seed: int) -> list[dict[str, Any]]:
    """Losses of planned runs of one mixture, null where it is too far to say, with the reason."""
    found = []
    for point in points:
        columns = {name: np.array([value]) for name, value in point.items()}
        interval = one.predict(columns, most_factor, np.random.default_rng(seed))
        reason = one.too_far(columns, most_factor)
        found.append({"mixture": one.runs.mixture, **point, **_interval(interval), "too_far_to_say": reason or None})
    return found


def advice_document(
    ranked: Sequence[Standing], met: Sequence[Crossing], told: Sequence[Worth], plan: Point, reference: str
) -> dict[str, Any]:
    """The mixtures at the plan, the best first, where their curves meet, and what more of each is worth."""
    return {
        "plan": plan,
        "reference": reference,
        "level": LEVEL,
        "mixtures": [
            {
                "mixture": one.mixture,
                "loss": _interval(one.loss),
                "too_far_to_say": one.reason or None,
                "best_share": one.best_share,
                "data_of_reference_for_the_same": _interval(one.saved),
                "loss_change_by_ten_per_cent_more_data": _interval(one.next_data),
            }
            for one in ranked
        ],
        "crossings": [vars(one) for one in met],
        "worth": [
            {
                "mixture": one.mixture,
                "phase": one.phase,
                "per_cent_of_reference_for_one_more": _interval(one.rate),
                "stops_paying_at": _interval(one.stop),
            }
            for one in told
        ],
    }


def csv_text(document: dict[str, Any]) -> str:
    """Fitted numbers and predictions, one a line: mixture, name, value, low, high."""
    buffer = io.StringIO()
    write = csv.writer(buffer, lineterminator="\n")
    write.writerow(("mixture", "name", "params", "tokens", "value", "low", "high", "too_far_to_say"))
    for mixture in document["mixtures"]:
        for name, one in mixture["fitted"].items():
            write.writerow((mixture["mixture"], name, "", "", one["value"], one["low"], one["high"], ""))
    for one in document["predictions"]:
        place = one.get("params", ""), one.get("tokens", "")
        numbers = ("" if one[key] is None else one[key] for key in ("value", "low", "high"))
        write.writerow((one["mixture"], "loss", *place, *numbers, one["too_far_to_say"] or ""))
    return buffer.getvalue()


def along(one: Fitted, axis: str, fixed: Point, high: float, n_places: int = 120) -> dict[str, Floats]:
    """Inputs along one axis, from the smallest fitted value to `high`, the others fixed."""
    places = np.geomspace(float(one.runs.columns[axis].min()), high, n_places)
    others = {name: np.full(n_places, fixed[name]) for name in one.fit.law.inputs if name != axis}
    return {axis: places, **others}


def _interval(found: Interval | None) -> dict[str, float | None]:
    if found is None:
        return {"value": None, "low": None, "high": None}
    return {"value": found.value, "low": found.low, "high": found.high}
