"""Values of coalitions of contributors: the tables `COALITIONS` and `REDUNDANCY`, checked and aligned.

Letters: K contributors in the coalition game; v(S) value of the coalition of S; N all of them; d_k = v(N) - v(N - k),
leave-one-out.

    redundancy  r_ij = v(N) - v(N - i - j) - d_i - d_j
    cover       r_ij / (r_ij + d_i), the share of i's marginal contribution without j that j also makes

since r_ij + d_i = v(N - j) - v(N - i - j). An exact copy has cover 1: its marginal contribution is 0 while the other is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixval.errors import ContractError
from mixval.publish.names import visible
from mixval.publish.value_kind import kind_of
from mixval.publish.verdict_words import is_ordered

Floats = NDArray[np.float64]
NEGLIGIBLE = 0.01
"""Share of the range of values alone below which a difference is not reported."""
ERRORS = 1.96
"""Standard errors from which a difference is reported."""


@dataclass(frozen=True)
class Pair:
    """Two contributors, by their positions, and their redundancy. Scores of the run."""

    first: int
    """The better ranked one."""
    second: int
    redundancy: float
    """Above 0 they are substitutes; below 0 they are complements, worth more together."""
    missed_both: float
    """What the coalition of all loses without both."""


@dataclass(frozen=True)
class CoalitionValues:
    """K contributors in the order of the ranking, with their coalition values. Scores of the run, higher is better."""

    names: tuple[str, ...]
    left_out: tuple[str, ...]
    """Ranked contributors that are not in the coalition game."""
    alone: Floats
    """(K,)."""
    leave_one_out: Floats
    """(K,)."""
    shapley: Floats
    """(K,)."""
    shapley_errors: Floats | None
    """(K,) standard errors. None where Shapley values are exact."""
    greedy: tuple[int, ...]
    """Positions in the order of the greedy search; empty when it added none, and where contributors have no order."""
    greedy_values: Floats
    """(steps,) value of the coalition after each of them."""
    greedy_intervals: tuple[tuple[float | None, float | None], ...]
    """(steps,) ends of its interval; None where unknown."""
    redundancy: Floats
    """(K, K) symmetric, 0 on the diagonal."""
    near: Floats
    """(K, K) share (0 to 1) of a contributor's rows that repeat one of the other's, exactly or nearly; 0 on the diagonal."""
    leave_one_out_errors: Floats
    """(K,) standard errors; infinite where they are not known, as by Eq. 8. So are the others."""
    gain_errors: Floats
    """(steps,) of what each greedy step adds."""
    redundancy_errors: Floats
    """(K, K)."""
    empty: float | None
    """The value of no rows, where there is one."""
    is_ordered: bool
    """Whether the run's contributors have an order; if not, neither ranks by Shapley value nor greedy steps are shown."""

    @property
    def shapley_ranks(self) -> list[int | None]:
        """(K) ranks by Shapley value, 1 is best; equal values share one. None where contributors have no order."""
        return [*_ranks(self.shapley)] if self.is_ordered else [None] * len(self.names)

    @property
    def negligible(self) -> float:
        """The score below which a difference is not reported."""
        return NEGLIGIBLE * float(np.ptp(self.alone))

    @property
    def has_errors(self) -> bool:
        """Whether differences can be compared with their uncertainty at all."""
        return bool(np.isfinite(self.leave_one_out_errors).any())

    def is_clear(self, difference: float, error: float) -> bool:
        """Whether a difference is above its uncertainty, and not negligible."""
        return abs(difference) > max(self.negligible, ERRORS * error)

    def loss_is_clear(self, place: int) -> bool:
        """Whether leaving this contributor out changes the value of all."""
        return self.is_clear(float(self.leave_one_out[place]), float(self.leave_one_out_errors[place]))

    def pair_is_clear(self, one: int, other: int) -> bool:
        """Whether two contributors are substitutes or complements."""
        return self.is_clear(float(self.redundancy[one, other]), float(self.redundancy_errors[one, other]))

    @property
    def clear_steps(self) -> int:
        """Leading greedy steps that each add more than their uncertainty."""
        before = np.concatenate([[0.0 if self.empty is None else self.empty], self.greedy_values[:-1]])
        gains = self.greedy_values - before
        clear = [
            gain > 0 and self.is_clear(float(gain), float(error)) for gain, error in zip(gains, self.gain_errors, strict=True)
        ]
        return clear.index(False) if False in clear else len(clear)

    def cover(self, one: int, other: int) -> float | None:
        """Share (0 to 1) of the marginal contribution of `one` without `other` that `other` also makes.

        None where they are no substitutes, or that contribution is not positive.
        """
        shared, own = float(self.redundancy[one, other]), float(self.leave_one_out[one])
        if shared <= 0 or not self.pair_is_clear(one, other) or shared + own <= 0:
            return None
        return min(1.0, shared / (shared + own))

    def substitutes(self, one: int, most: int) -> list[int]:
        """Positions of the substitutes of a contributor, strongest first, without those within their uncertainty."""
        order = np.argsort(-self.redundancy[one], kind="stable")
        found = [int(other) for other in order if self.redundancy[one, other] > 0 and self.pair_is_clear(one, int(other))]
        return found[:most]

    def near_copies(self, one: int, most: int) -> list[int]:
        """Positions of the contributors whose rows it repeats, exactly or nearly, most first."""
        order = np.argsort(-self.near[one], kind="stable")
        return [int(other) for other in order if self.near[one, other] > 0][:most]

    def pairs(self) -> list[Pair]:
        """All K (K - 1) / 2 pairs, the strongest substitutes first, the strongest complements last."""
        found = [self._pair(first, second) for first, second in combinations(range(len(self.names)), 2)]
        return sorted(found, key=lambda pair: (-pair.redundancy, pair.first, pair.second))

    def _pair(self, first: int, second: int) -> Pair:
        shared = float(self.redundancy[first, second])
        missed = shared + float(self.leave_one_out[first] + self.leave_one_out[second])
        return Pair(first, second, shared, missed)


def coalition_values(ranking: pa.Table, coalitions: pa.Table | None, redundancy: pa.Table | None) -> CoalitionValues | None:
    """The run's coalition values in the order of its ranking. None for a run without.

    Raises:
        ContractError: a table is missing, contains a contributor without a rank, or lacks a pair.
    """
    if coalitions is None and redundancy is None:
        return None
    if coalitions is None or redundancy is None:
        raise ContractError("coalition values: expected coalitions.parquet and redundancy.parquet, found one. Run again.")
    if not coalitions.num_rows:
        return None
    rows = _by_contributor(coalitions)
    ranked = ranking["contributor"].to_pylist()
    if unknown := sorted(rows.keys() - set(ranked)):
        raise ContractError(
            f"coalitions.parquet: expected contributors of ranking.parquet, found {visible(unknown[0])!r}, which has no rank. "
            "Take both from one run."
        )
    names = tuple(name for name in ranked if name in rows)
    ordered = [rows[name] for name in names]
    errors = [row["shapley_error"] for row in ordered]
    kind = kind_of(ranking)
    values = dict(zip(ranked, ranking["value"].to_pylist(), strict=True))
    is_value = kind.has_empty and not kind.penalised  # the ranking's own number then, not another computation's
    has_order = is_ordered(ranking)
    taken = sorted((row["greedy_step"], place) for place, row in enumerate(ordered) if has_order and row["greedy_step"])
    return CoalitionValues(
        names=names,
        left_out=tuple(name for name in ranked if name not in rows),
        alone=np.array([values[name] for name in names]) if is_value else _column(ordered, "alone"),
        leave_one_out=_column(ordered, "leave_one_out"),
        shapley=_column(ordered, "shapley"),
        shapley_errors=None if None in errors else np.array(errors, dtype=np.float64),
        greedy=tuple(place for _, place in taken),
        greedy_values=_column([ordered[place] for _, place in taken], "greedy_value"),
        greedy_intervals=tuple((ordered[place]["greedy_low"], ordered[place]["greedy_high"]) for _, place in taken),
        redundancy=_matrix(names, redundancy, "redundancy", "redundancy"),
        near=_matrix(names, redundancy, "near_rows", "near_rows_of_other"),
        leave_one_out_errors=_errors(ordered, "leave_one_out_error"),
        gain_errors=_errors([ordered[place] for _, place in taken], "greedy_gain_error"),
        redundancy_errors=_matrix(names, redundancy, "redundancy_error", "redundancy_error"),
        empty=ranking["value_of_empty"][0].as_py(),
        is_ordered=has_order,
    )


def shapley_ranks(coalitions: pa.Table) -> dict[str, int]:
    """Contributor -> rank by Shapley value, of those that took part; 1 is best, equal values share one."""
    rows = _by_contributor(coalitions)
    return dict(zip(rows, _ranks(_column(list(rows.values()), "shapley")), strict=True))


def _ranks(values: Floats) -> list[int]:
    return [1 + int((values > value).sum()) for value in values]


def _by_contributor(coalitions: pa.Table) -> dict[str, dict[str, Any]]:
    rows = {row["contributor"]: row for row in coalitions.to_pylist()}
    if len(rows) != coalitions.num_rows:
        raise ContractError(
            f"coalitions.parquet: expected one row per contributor, found {coalitions.num_rows} rows for {len(rows)} of them."
        )
    return rows


def _column(rows: Sequence[dict[str, Any]], column: str) -> Floats:
    return np.array([row[column] for row in rows], dtype=np.float64)


def _errors(rows: Sequence[dict[str, Any]], column: str) -> Floats:
    return np.array([_error(row[column]) for row in rows], dtype=np.float64)


def _error(known: float | None) -> float:
    return math.inf if known is None else known


def _matrix(names: tuple[str, ...], redundancy: pa.Table, column: str, back: str) -> Floats:
    """(K, K) of a column of the first contributor against the other, and of one of the other against the first."""
    rows = redundancy.to_pylist()
    found = {(row["contributor"], row["other"]): (_error(row[column]), _error(row[back])) for row in rows}
    place = {name: index for index, name in enumerate(names)}
    matrix = np.zeros((len(names), len(names)))
    for one, other in combinations(sorted(names), 2):
        if (one, other) not in found:
            raise ContractError(
                f"redundancy.parquet: expected a row for every pair, found none for {visible(one)!r} and {visible(other)!r}."
                " Run the valuation again."
            )
        matrix[place[one], place[other]], matrix[place[other], place[one]] = found[one, other]
    return matrix
