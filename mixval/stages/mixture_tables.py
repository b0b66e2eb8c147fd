"""The tables of parts and mixtures of a run, from the committed values of each contributor and of all together.

Letters: K contributors; W weights of the synthetic part; R replicates.

Where the ranking's values are gains less a displacement penalty, so are those of a contributor's parts and mixtures, by the
run's own penalty in each replicate (`mixval/terms/ntk/trained_gain.py`). All together are valued by the gain, as coalitions
are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import CANNOT_SAY, MIXTURE, MIXTURE_BEST, PARTS_TABLE, TAKE
from mixval.stages.gating import open_store
from mixval.stages.mixtures import BUDGET_WEIGHTS, COPIES, MixtureJob, mixture_ref
from mixval.terms.ntk.trained_gain import slope, unit_penalty
from mixval.valuation.estimates import Floats
from mixval.valuation.marginal import Estimated
from mixval.valuation.mixtures import SAME, WEIGHTS, Best, best_weight, synthetic_share
from mixval.valuation.verdict import ValueInterval, verdicts_of

BOTH = "both"
KNOTS, BUDGET_KNOTS = np.array(WEIGHTS), np.array(BUDGET_WEIGHTS)
AS_IT_IS, LEFT_OUT = WEIGHTS.index(1.0), WEIGHTS.index(0.0)
ALONE = len(WEIGHTS)
"""Place of the synthetic part alone, after the weights."""

Row = dict[str, Any]
GainHighs = dict[tuple[str | None, str], float | None]
"""Contributor and part -> upper end of what it adds to the gain, where values are gains less a penalty."""


@dataclass(frozen=True)
class MixtureResults:
    """Values of parts and of mixtures, as they are published."""

    parts: pa.Table
    """Schema `PARTS_TABLE`, by contributor, all together last."""
    mixture: pa.Table
    """Schema `MIXTURE`, likewise."""
    mixture_best: pa.Table
    """Schema `MIXTURE_BEST`, likewise."""


@dataclass(frozen=True)
class Penalty:
    """Of a unit of displacement."""

    value: float
    deviations: Floats | None
    """(R,)."""


def mixture_tables(
    config: ValuationConfig, works: Sequence[MixtureJob], terms: Mapping[str, ArtifactRef], ranking: pa.Table
) -> MixtureResults:
    """The tables of what these jobs have committed, and of ranked contributors of one part; `terms` are the run's."""
    penalty = _penalty(config, terms)
    found = [(work, _read(work, penalty if work.contributor else None)) for work in works]
    level = config.value.confidence
    valued = {work.contributor: _part_rows(work, points, level) for work, points in found}
    parts = [row for one in ranking.to_pylist() for row in _of_ranked(one, valued.get(one["contributor"]))]
    highs = {} if penalty is None else {key: end for work, points in found for key, end in _gain_highs(work, points, level)}
    parts = _with_verdicts([*sorted(parts, key=lambda row: row["contributor"]), *valued.get(None, [])], highs, ranking)
    curves = [row for work, points in found for row in _curve_rows(work, points, level)]
    best = [row for work, points in found for row in _best_rows(work, points, level)]
    return MixtureResults(
        *(
            pa.Table.from_pylist(rows, schema=schema)
            for rows, schema in ((parts, PARTS_TABLE), (curves, MIXTURE), (best, MIXTURE_BEST))
        )
    )


@dataclass(frozen=True)
class _Points:
    """Values in the unit of the ranking."""

    known: list[Estimated]
    """(W + 1) of `WEIGHTS`, then of the synthetic part alone; NaN where there is no value."""
    gains: list[Estimated]
    """(W + 1) the same without the displacement penalty."""
    budgets: Floats
    """(B, V)."""

    @property
    def curve(self) -> tuple[Floats, Floats | None]:
        """(W,) values and (R, W) deviations."""
        of_weights = self.known[:ALONE]
        shifts = [one.deviations for one in of_weights if one.deviations is not None]
        return np.array([one.value for one in of_weights]), np.stack(shifts, axis=1) if len(shifts) == ALONE else None


def _read(work: MixtureJob, penalty: Penalty | None) -> _Points:
    stored = work.target.store.read_tensors(mixture_ref(work))
    values, shifts, budgets = stored["values"], stored["deviations"], stored["budget_values"]
    gains = _estimated(values, shifts)
    if penalty is not None:
        moved, moves = stored["displacements"], stored["displacement_deviations"]
        if penalty.deviations is not None:
            there = np.maximum(moved[:, None] + moves, 0.0)
            shifts = shifts - (penalty.value + penalty.deviations) * there + (penalty.value * moved)[:, None]
        values, budgets = values - penalty.value * moved, budgets - penalty.value * stored["budget_displacements"]
    return _Points(_estimated(values, shifts), gains, budgets)


def _estimated(values: Floats, shifts: Floats) -> list[Estimated]:
    replicated = shifts.shape[1] > 0
    return [Estimated(float(value), one if replicated else None) for value, one in zip(values, shifts, strict=True)]


def _penalty(config: ValuationConfig, terms: Mapping[str, ArtifactRef]) -> Penalty | None:
    """The run's displacement penalty as the ranking has it, with its replicates; None where values have none."""
    if not config.has_trained_gain:
        return None
    store = open_store(config)
    stored = [store.read_tensors(terms[name]) for name in sorted(terms)]
    gains, moved = (np.array([float(one[name][0]) for one in stored]) for name in ("regression_value", "displacement"))
    value = float(unit_penalty(slope(gains, moved)))
    if not config.value.replicates:
        return Penalty(value, None)
    shifts, moves = (np.stack([one[f"{n}_deviations"] for one in stored], axis=1) for n in ("regression", "displacement"))
    known = np.isfinite(shifts) & np.isfinite(moves)
    there = gains + np.where(known, shifts, 0.0)
    at = np.maximum(moved + np.where(known, moves, 0.0), 0.0)
    return Penalty(value, unit_penalty(slope(there, at)) - value)


def _part_rows(work: MixtureJob, points: _Points, level: float) -> list[Row]:
    """Real, synthetic, both."""
    both, real, synthetic = (points.known[place] for place in (AS_IT_IS, LEFT_OUT, ALONE))
    n, who = work.rows_by_part, work.contributor
    adds = {REAL: both.less(synthetic), SYNTHETIC: both.less(real)}
    rows = [
        {"part": part, "n_rows": n[part], **_told("value", one, level), **_told("adds", adds[part], level)}
        for part, one in ((REAL, real), (SYNTHETIC, synthetic))
    ]
    rows.append({"part": BOTH, "n_rows": sum(n.values()), **_told("value", both, level)})
    return [{"contributor": who, **row} for row in rows]


def _gain_highs(work: MixtureJob, points: _Points, level: float) -> list[tuple[tuple[str | None, str], float | None]]:
    both, real, synthetic = (points.gains[place] for place in (AS_IT_IS, LEFT_OUT, ALONE))
    found = {REAL: both.less(synthetic), SYNTHETIC: both.less(real)}
    return [((work.contributor, part), one.ends(level)[1]) for part, one in found.items()]


def _of_ranked(row: Row, valued: list[Row] | None) -> list[Row]:
    """The rows of a ranked contributor; of both parts, and of the only one, the ranking's own numbers."""
    own = {"value": row["value"], "value_low": row["value_low"], "value_high": row["value_high"]}
    if valued is not None:
        return [one | own if one["part"] == BOTH else one for one in valued]
    only = REAL if row["n_real"] else SYNTHETIC
    return [{"contributor": row["contributor"], "part": part, "n_rows": row["n_rows"], **own} for part in (only, BOTH)]


def _with_verdicts(rows: list[Row], gain_highs: GainHighs, ranking: pa.Table) -> list[Row]:
    """Verdicts on what parts add, by the rule of those on contributors, for each part apart. Who has a serious warning against
    it does not get a `take` for its parts either.
    """
    doubts = dict(zip(ranking["contributor"].to_pylist(), ranking["doubted_by"].to_pylist(), strict=True))
    empty = ranking["value_of_empty"][0].as_py()
    found = dict[int, str]()
    for part in (REAL, SYNTHETIC):
        places = [place for place, row in enumerate(rows) if row["part"] == part and row.get("adds") is not None]
        given = [_above(empty, rows[at], gain_highs.get((rows[at]["contributor"], part))) for at in places]
        found |= dict(zip(places, verdicts_of(given, empty), strict=True))
    withheld = {place for place, verdict in found.items() if verdict == TAKE and doubts.get(rows[place]["contributor"])}
    return [row | {"verdict": CANNOT_SAY if at in withheld else found.get(at)} for at, row in enumerate(rows)]


def _above(empty: float, row: Row, gain_high: float | None) -> ValueInterval:
    """What a part adds as a value above that of no rows, where the rule's least gain is measured. Rounding has no width."""
    low, high = row["adds_low"], row["adds_high"]
    if low is None or high is None or high - low <= SAME * max(abs(empty), abs(row["adds"])):
        return ValueInterval(empty + row["adds"], None, None)
    return ValueInterval(empty + row["adds"], empty + low, empty + high, None if gain_high is None else empty + gain_high)


def _curve_rows(work: MixtureJob, points: _Points, level: float) -> list[Row]:
    """Of the rows as they are, then of other copies of them, without intervals."""
    values, shifts = points.curve
    best = best_weight(KNOTS, values, shifts, level)
    if best is None:
        return []
    top = points.known[best.place]
    rows = [
        _row(work, 1.0, weight)
        | {**_told("value", one, level), **_told("below_best", top.less(one), level), "is_extrapolated": False}
        for weight, one in zip(WEIGHTS, points.known[:ALONE], strict=True)
    ]
    for copies, curve in zip(COPIES, points.budgets, strict=True):
        if (there := best_weight(BUDGET_KNOTS, curve, None, level)) is not None:
            rows += [
                _row(work, copies, weight)
                | {"value": float(value), "below_best": there.value - float(value), "is_extrapolated": copies > 1}
                for weight, value in zip(BUDGET_WEIGHTS, curve, strict=True)
            ]
    return rows


def _row(work: MixtureJob, copies: float, weight: float) -> Row:
    n = work.rows_by_part
    share = synthetic_share(n[REAL], n[SYNTHETIC], weight)
    return {"contributor": work.contributor, "copies": copies, "weight": weight, "synthetic_share": share}


def _best_rows(work: MixtureJob, points: _Points, level: float) -> list[Row]:
    """By copies, fewest first."""
    found = [(1.0, best_weight(KNOTS, *points.curve, level))]
    found += [
        (copies, best_weight(BUDGET_KNOTS, curve, None, level)) for copies, curve in zip(COPIES, points.budgets, strict=True)
    ]
    return [_best_row(work, copies, best, level) for copies, best in sorted(found, key=lambda one: one[0]) if best is not None]


def _best_row(work: MixtureJob, copies: float, best: Best, level: float) -> Row:
    n = work.rows_by_part
    ends = {"weight_low": best.low, "weight_high": best.high}
    shares = {
        f"synthetic_share_{end}": None if at is None else synthetic_share(n[REAL], n[SYNTHETIC], at)
        for end, at in (("low", best.low), ("high", best.high))
    }
    return {
        **_row(work, copies, best.weight),
        **ends,
        **shares,
        "n_real": n[REAL],
        "n_synthetic": n[SYNTHETIC],
        "is_at_end": best.is_at_end,
        "value": best.value,
        **_told("gain", best.gain, level),
        "is_extrapolated": copies > 1,
    }


def _told(name: str, found: Estimated, level: float) -> Row:
    """A number with its interval; None where it is not known."""
    if not np.isfinite(found.value):
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = found.ends(level)
    return {name: found.value, f"{name}_low": low, f"{name}_high": high}
