"""Values, intervals, ranks and ties: of Eq. 8 (arXiv 2511.13640) with the contribution of each term, or of NTK regression.

Intervals come from replicates (`mixval/terms/replicates.py`): deviations by the rows of each contributor and by those of T, the
same multipliers for all contributors, so that errors from T cancel in comparisons. They arrive in the value's own unit, already
bent where a term is bounded, so an interval takes their quantiles as they are. Weights are fixed: an interval shows the
uncertainty of the terms alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixval.terms.replicates import ends
from mixval.valuation.estimates import Floats, TermEstimates
from mixval.valuation.weights import Weights


@dataclass(frozen=True)
class Valuation:
    """Contributors' values; row i of every array is `contributors[i]` of the estimates."""

    values: Floats
    """(K,) higher is better."""
    contributions: Floats
    """(K, T) contribution of each term to Eq. 8's value; rows sum to `values` where that is the value."""
    low: Floats | None
    """(K,) lower ends, NaN where the spread is unknown; None without replicates."""
    high: Floats | None
    ranks: NDArray[np.int64]
    """(K,) 1 is best; equal values share a rank and the next is skipped."""
    tie_groups: NDArray[np.int64]
    """(K,) tie groups: 1 has the best and all that do not differ from it significantly, and so on down; 0 is none, of those
    whose spread is unknown."""


def value(estimates: TermEstimates, weights: Weights, confidence: float = 0.95) -> Valuation:
    """Values of K contributors by Eq. 8, with intervals at `confidence`."""
    contributions = weighted_terms(estimates, weights)
    deviations = None if estimates.deviations is None else -(estimates.deviations @ weights.coefficients)
    return valuation_of(contributions.sum(axis=1), deviations, contributions, confidence)


def weighted_terms(estimates: TermEstimates, weights: Weights) -> Floats:
    """(K, T) what each term adds to Eq. 8's value."""
    return np.asarray(-weights.coefficients * (estimates.terms - weights.centres))


def valuation_of(
    values: Floats,  # (K,)
    deviations: Floats | None,  # (R, K)
    contributions: Floats,  # (K, T)
    confidence: float = 0.95,
) -> Valuation:
    """Given values of K contributors, with intervals at `confidence` from the replicates' deviations."""
    low = high = None
    if deviations is not None:
        below, above = ends(deviations, confidence)
        low, high = values + below, values + above
    return Valuation(values, contributions, low, high, competition_ranks(values), tie_groups(values, deviations, confidence))


def competition_ranks(values: Floats) -> NDArray[np.int64]:
    """(K,) 1 + the number of strictly better contributors; differences within rounding count as equal."""
    tolerance = 1e-12 * max(float(np.abs(values).max(initial=0.0)), 1.0)
    return np.array([1 + int(np.sum(values > own + tolerance)) for own in values], dtype=np.int64)


def tie_groups(values: Floats, deviations: Floats | None, confidence: float) -> NDArray[np.int64]:
    """(K,) groups from the best down: a contributor opens a new one when the group's leader is better at `confidence`.

    The comparison is paired by replicate. One whose spread is unknown has no group, 0: no comparison with it is certain, so
    it may neither join a group nor lead one, in which all would tie with it. Without replicates all have none.
    """
    groups = np.zeros(len(values), dtype=np.int64)
    if deviations is None:
        return groups
    known = np.atleast_1d(~np.isnan(deviations).any(axis=0))
    ranks = competition_ranks(values)
    leader, group = -1, 0
    for i in np.argsort(-values, kind="stable"):
        if not known[i]:
            continue
        if leader < 0 or not _tied(leader, int(i), values, ranks, deviations, confidence):
            leader, group = int(i), group + 1
        groups[i] = group
    return groups


def _tied(a: int, b: int, values: Floats, ranks: NDArray[np.int64], deviations: Floats, confidence: float) -> bool:
    if ranks[a] == ranks[b]:
        return True
    gap = deviations[:, a] - deviations[:, b]
    return not values[a] - values[b] + ends(gap, confidence)[0] > 0
