"""Values of parts and mixtures, made up but consistent: the first contributor's synthetic rows harm, the second's help, of the
third's nothing can be said, and the others have rows of one kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from published_run import Results

from mixval.contracts.results import MIXTURE, MIXTURE_BEST, PARTS_TABLE
from mixval.stages.mixtures import BUDGET_WEIGHTS, COPIES
from mixval.valuation.mixtures import WEIGHTS

ADDS = ((-0.04, -0.06, -0.02, "leave"), (0.05, 0.03, 0.08, "take"), (0.01, -0.02, 0.03, "cannot say"))
"""What synthetic rows add, with the interval's ends and the verdict."""
BEST = ((0.0, 0.0, 0.25), (2.0, 1.0, 4.0), (1.0, 0.0, 4.0))
"""Their best weight, with the interval's ends."""


@dataclass(frozen=True)
class PartResults:
    """What a run with values of parts leaves besides its ranking."""

    parts: pa.Table
    mixture: pa.Table
    mixture_best: pa.Table


def make_parts(results: Results) -> PartResults:
    """Of the first three contributors of the ranking, of the others those of one part, and of all together as of the first."""
    names = results.ranking["contributor"].to_pylist()
    mixed: list[tuple[str | None, int]] = [*((name, place) for place, name in enumerate(names[:3])), (None, 0)]
    parts = [row for name, place in mixed if name for row in _parts(name, *ADDS[place])]
    parts += [row for name in names[3:] for row in _only(name)] + _parts(None, *ADDS[0])
    curves = [row for name, place in mixed for row in _curve(name, BEST[place][0])]
    best = [row for name, place in mixed for row in _best(name, *BEST[place])]
    tables = ((parts, PARTS_TABLE), (curves, MIXTURE), (best, MIXTURE_BEST))
    return PartResults(*(pa.Table.from_pylist(rows, schema=schema) for rows, schema in tables))


def with_parts(results: Results) -> Results:
    """The results with the three tables."""
    found = make_parts(results)
    return replace(results, parts=found.parts, mixture=found.mixture, mixture_best=found.mixture_best)


def _parts(name: str | None, adds: float, low: float, high: float, verdict: str) -> list[dict[str, Any]]:
    real, both = {"value": -0.5, "value_low": -0.6, "value_high": -0.4}, -0.5 + adds
    of_real = {"adds": 0.2, "adds_low": 0.1, "adds_high": 0.3, "verdict": "take"}
    of_synthetic = {"adds": adds, "adds_low": low, "adds_high": high, "verdict": verdict}
    return [
        {"contributor": name, "part": "real", "n_rows": 300, **real, **of_real},
        {"contributor": name, "part": "synthetic", "n_rows": 100, "value": both - 0.2, **of_synthetic},
        {"contributor": name, "part": "both", "n_rows": 400, "value": both, "value_low": both - 0.1, "value_high": both + 0.1},
    ]


def _only(name: str) -> list[dict[str, Any]]:
    return [{"contributor": name, "part": part, "n_rows": 50, "value": -0.7} for part in ("real", "both")]


def _cost(weight: float, best: float) -> float:
    return 0.1 * (weight / (1 + weight) - best / (1 + best)) ** 2


def _curve(name: str | None, best: float) -> list[dict[str, Any]]:
    rows = []
    for copies, weights in ((1.0, WEIGHTS), *((copies, BUDGET_WEIGHTS) for copies in COPIES)):
        for weight in weights:
            cost, known = _cost(weight, best), copies == 1
            rows.append(
                {
                    **_row(name, copies, weight),
                    "value": -0.4 - cost,
                    "value_low": -0.5 - cost if known else None,
                    "value_high": -0.3 - cost if known else None,
                    "below_best": cost,
                    "below_best_low": cost / 2 if known else None,
                    "below_best_high": 2 * cost if known else None,
                }
            )
    return rows


def _best(name: str | None, weight: float, low: float, high: float) -> list[dict[str, Any]]:
    gain, found = _cost(1.0, weight), []
    for copies in sorted([1.0, *COPIES]):
        known = copies == 1
        row = _row(name, copies, weight) | {"n_real": 300, "n_synthetic": 100, "is_at_end": weight == WEIGHTS[-1]}
        row |= {"value": -0.4, "gain": gain, "gain_low": gain / 2 if known else None, "gain_high": 2 * gain if known else None}
        row |= {"weight_low": low if known else None, "weight_high": high if known else None}
        found.append(row)
    return found


def _row(name: str | None, copies: float, weight: float) -> dict[str, Any]:
    share = 100 * weight / (300 + 100 * weight)
    return {
        "contributor": name,
        "copies": copies,
        "weight": weight,
        "synthetic_share": share,
        "is_extrapolated": copies > 1,
    }
