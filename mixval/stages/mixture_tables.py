"""The tables of parts and mixtures of a run, from the committed values of each contributor and of all together.

Letters: K contributors; W weights of the synthetic part; R replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import MIXTURE, MIXTURE_BEST, PARTS_TABLE
from mixval.stages.mixtures import BUDGET_WEIGHTS, COPIES, mixture_ref
from mixval.stages.weighed import RankedJobs
from mixval.stages.worths import Penalty, Points, Row, penalty_of, points_of, share_rows, told, with_verdicts
from mixval.valuation.estimates import Floats
from mixval.valuation.marginal import Estimated
from mixval.valuation.mixtures import WEIGHTS, Best, best_weight, synthetic_share

BOTH = "both"
KNOTS, BUDGET_KNOTS = np.array(WEIGHTS), np.array(BUDGET_WEIGHTS)
AS_IT_IS, LEFT_OUT = WEIGHTS.index(1.0), WEIGHTS.index(0.0)
ALONE = len(WEIGHTS)
"""Place of the synthetic part alone, after the weights."""


@dataclass(frozen=True)
class MixtureResults:
    """Values of parts and of mixtures, as they are published."""

    parts: pa.Table
    """Schema `PARTS_TABLE`, by contributor, all together last."""
    mixture: pa.Table
    """Schema `MIXTURE`, likewise."""
    mixture_best: pa.Table
    """Schema `MIXTURE_BEST`, likewise."""


def mixture_tables(
    config: ValuationConfig, works: Sequence[RankedJobs], terms: Mapping[str, ArtifactRef], ranking: pa.Table
) -> MixtureResults:
    """The tables of what these jobs have committed, and of ranked contributors of one part; `terms` are the run's."""
    penalty = penalty_of(config, terms)
    found = [(work, _read(work, penalty if work.contributor else None)) for work in works]
    level = config.value.confidence
    valued = {work.contributor: _part_rows(work, points, level) for work, points in found}
    parts = [row for one in ranking.to_pylist() for row in _of_ranked(one, valued.get(one["contributor"]))]
    rows = [*sorted(parts, key=lambda row: row["contributor"]), *valued.get(None, [])]
    parts = with_verdicts(rows, ["part"], ranking)
    curves = [row for work, points in found for row in _curve_rows(work, points, level)]
    best = [row for work, points in found for row in _best_rows(work, points, level)]
    return MixtureResults(
        *(
            pa.Table.from_pylist(rows, schema=schema)
            for rows, schema in ((parts, PARTS_TABLE), (curves, MIXTURE), (best, MIXTURE_BEST))
        )
    )


@dataclass(frozen=True)
class _Curve:
    points: Points
    """(W + 1) of `WEIGHTS`, then of the synthetic part alone."""
    budgets: Floats
    """(B, V)."""

    @property
    def known(self) -> list[Estimated]:
        """The values."""
        return self.points.known

    @property
    def curve(self) -> tuple[Floats, Floats | None]:
        """(W,) values and (R, W) deviations."""
        of_weights = self.known[:ALONE]
        shifts = [one.deviations for one in of_weights if one.deviations is not None]
        return np.array([one.value for one in of_weights]), np.stack(shifts, axis=1) if len(shifts) == ALONE else None


def _read(work: RankedJobs, penalty: Penalty | None) -> _Curve:
    stored = work.target.store.read_tensors(mixture_ref(work))
    budgets = stored["budget_values"]
    if penalty is not None:
        budgets = budgets - penalty.value * stored["budget_displacements"]
    return _Curve(points_of(stored, penalty), budgets)


def _part_rows(work: RankedJobs, found: _Curve, level: float) -> list[Row]:
    """Real, synthetic, both."""
    n = work.rows_by_part
    shares = [
        ({"part": part, "n_rows": n[part]}, alone, without)
        for part, alone, without in ((REAL, LEFT_OUT, ALONE), (SYNTHETIC, ALONE, LEFT_OUT))
    ]
    both = {"part": BOTH, "n_rows": sum(n.values()), **told("value", found.known[AS_IT_IS], level)}
    return [{"contributor": work.contributor, **row} for row in [*share_rows(found.points, AS_IT_IS, shares, level), both]]


def _of_ranked(row: Row, valued: list[Row] | None) -> list[Row]:
    """The rows of a ranked contributor; of both parts, and of the only one, the ranking's own numbers."""
    own = {"value": row["value"], "value_low": row["value_low"], "value_high": row["value_high"]}
    if valued is not None:
        return [one | own if one["part"] == BOTH else one for one in valued]
    only = REAL if row["n_real"] else SYNTHETIC
    parts = (BOTH,) if 0 < row["n_real"] < row["n_rows"] else (only, BOTH)  # of two parts that have no values, both together
    return [{"contributor": row["contributor"], "part": part, "n_rows": row["n_rows"], **own} for part in parts]


def _curve_rows(work: RankedJobs, points: _Curve, level: float) -> list[Row]:
    """Of the rows as they are, then of other copies of them, without intervals."""
    values, shifts = points.curve
    best = best_weight(KNOTS, values, shifts, level)
    if best is None:
        return []
    top = points.known[best.place]
    rows = [
        _row(work, 1.0, weight)
        | {**told("value", one, level), **told("below_best", top.less(one), level), "is_extrapolated": False}
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


def _row(work: RankedJobs, copies: float, weight: float) -> Row:
    n = work.rows_by_part
    share = synthetic_share(n[REAL], n[SYNTHETIC], weight)
    return {"contributor": work.contributor, "copies": copies, "weight": weight, "synthetic_share": share}


def _best_rows(work: RankedJobs, points: _Curve, level: float) -> list[Row]:
    """By copies, fewest first."""
    found = [(1.0, best_weight(KNOTS, *points.curve, level))]
    found += [
        (copies, best_weight(BUDGET_KNOTS, curve, None, level)) for copies, curve in zip(COPIES, points.budgets, strict=True)
    ]
    return [_best_row(work, copies, best, level) for copies, best in sorted(found, key=lambda one: one[0]) if best is not None]


def _best_row(work: RankedJobs, copies: float, best: Best, level: float) -> Row:
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
        **told("gain", best.gain, level),
        "is_extrapolated": copies > 1,
    }
