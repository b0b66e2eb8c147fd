"""Committed values of parts and groups, in the unit of the ranking, and the columns that tables make of them.

Letters: P points, each a value of some of a contributor's rows; R replicates.

Where the ranking's values are gains less a displacement penalty, so are those of a contributor's parts, groups and mixtures, by
the run's own penalty in each replicate (`mixval/terms/ntk/trained_gain.py`). All together are valued by the gain, as coalitions
are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import CANNOT_SAY, TAKE
from mixval.stages.gating import open_store
from mixval.terms.ntk.trained_gain import slope, unit_penalty
from mixval.valuation.estimates import Floats
from mixval.valuation.marginal import Estimated
from mixval.valuation.mixtures import SAME
from mixval.valuation.verdict import ValueInterval, verdicts_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Penalty:
    """Of a unit of displacement."""

    value: float
    deviations: Floats | None
    """(R,)."""


@dataclass(frozen=True)
class Points:
    """Values in the unit of the ranking."""

    known: list[Estimated]
    """(P,); NaN where there is no value."""
    gains: list[Estimated]
    """(P,) the same without the displacement penalty."""


def penalty_of(config: ValuationConfig, terms: Mapping[str, ArtifactRef]) -> Penalty | None:
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


def points_of(stored: Mapping[str, Floats], penalty: Penalty | None) -> Points:
    """From committed points (`weighed.points`)."""
    values, shifts = stored["values"], stored["deviations"]
    gains = _estimated(values, shifts)
    if penalty is None:
        return Points(gains, gains)
    moved, moves = stored["displacements"], stored["displacement_deviations"]
    if penalty.deviations is not None:
        there = np.maximum(moved[:, None] + moves, 0.0)
        shifts = shifts - (penalty.value + penalty.deviations) * there + (penalty.value * moved)[:, None]
    return Points(_estimated(values - penalty.value * moved, shifts), gains)


def _estimated(values: Floats, shifts: Floats) -> list[Estimated]:
    replicated = shifts.shape[1] > 0
    return [Estimated(float(value), one if replicated else None) for value, one in zip(values, shifts, strict=True)]


def told(name: str, found: Estimated, level: float) -> Row:
    """A number with its interval; None where it is not known."""
    if not np.isfinite(found.value):
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = found.ends(level)
    return {name: found.value, f"{name}_low": low, f"{name}_high": high}


def share_rows(points: Points, whole: int, shares: Sequence[tuple[Row, int, int]], level: float) -> list[Row]:
    """Columns of what shares of some rows are worth alone and add to the others.

    `whole` is the place of the point of all rows; of each share come its own columns, the place of the point of its rows alone
    and that of the rows without it. `gain_high`, for `with_verdicts`, is no column.
    """
    found = []
    for own, alone, without in shares:
        adds, of_gain = (one[whole].less(one[without]) for one in (points.known, points.gains))
        high = told("gain", of_gain, level)["gain_high"]
        found.append(own | told("value", points.known[alone], level) | told("adds", adds, level) | {"gain_high": high})
    return found


def with_verdicts(rows: Sequence[Row], by: Sequence[str], ranking: pa.Table) -> list[Row]:
    """The rows with verdicts on what they add, by the rule of those on contributors, for each part or group apart, which the
    columns in `by` name. Who has a serious warning against it does not get a `take` for its rows either.
    """
    doubts = dict(zip(ranking["contributor"].to_pylist(), ranking["doubted_by"].to_pylist(), strict=True))
    empty, found = ranking["value_of_empty"][0].as_py(), dict[int, str]()
    names = [tuple(row.get(name) for name in by) for row in rows]
    for name in dict.fromkeys(names):
        places = [place for place, row in enumerate(rows) if names[place] == name and row.get("adds") is not None]
        given = [_above(empty, rows[at]) for at in places]
        found |= dict(zip(places, verdicts_of(given, empty), strict=True))
    withheld = {place for place, verdict in found.items() if verdict == TAKE and doubts.get(rows[place]["contributor"])}
    judged = [row | {"verdict": CANNOT_SAY if at in withheld else found.get(at)} for at, row in enumerate(rows)]
    return [{name: one for name, one in row.items() if name != "gain_high"} for row in judged]


def _above(empty: float, row: Row) -> ValueInterval:
    """What rows add as a value above that of no rows, where the rule's least gain is measured. Rounding has no width."""
    low, high, gain_high = row["adds_low"], row["adds_high"], row["gain_high"]
    if low is None or high is None or high - low <= SAME * max(abs(empty), abs(row["adds"])):
        return ValueInterval(empty + row["adds"], None, None)
    return ValueInterval(empty + row["adds"], empty + low, empty + high, None if gain_high is None else empty + gain_high)
