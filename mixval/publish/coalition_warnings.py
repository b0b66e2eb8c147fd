"""Warnings about coalition values, found in their own numbers.

A contributor with a high value alone and a leave-one-out value near 0 is redundant, not worthless: other contributors have
similar rows. Leaving all of them out loses the value.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.warnings import RunWarning, warning
from mixval.publish.coalition_values import CoalitionValues, coalition_values
from mixval.publish.numerals import count, counted, fixed, percent
from mixval.publish.ranking import value_decimals
from mixval.publish.solve_warnings import DOUBLED_DAMPING
from mixval.publish.value_kind import kind_of

APART = 2.0
"""Standard errors of a difference from which two Shapley values count as different."""
COVERED = 0.9
"""Cover (see `coalition_values.py`) from which a contributor counts as a copy of another one."""
HARDLY = 0.1
"""Leave-one-out over Shapley value up to which a contributor counts as redundant."""
NOTED_EXCESS = 0.1
"""Relative bias of the NTK term of all contributors together from which there is a warning."""
MOST_PAIRS = 3
"""Pairs with a warning of their own."""
FEWEST_FOR_QUARTERS = 8


def coalition_warnings(ranking: pa.Table, coalitions: pa.Table | None, redundancy: pa.Table | None) -> list[RunWarning]:
    """Every warning that coalition values give; none for a run without them.

    Raises:
        ContractError: the tables do not fit the ranking.
    """
    found = coalition_values(ranking, coalitions, redundancy)
    if found is None:
        return []
    return [*_neighbours(found), *_left_out(found), *_copies(found, ranking), *_covered_by_several(found)]


def sketch_warnings(account: CoalitionAccount) -> list[RunWarning]:
    """Whether the gradient sketch has enough features for the coalition of all: its error grows with the number of rows."""
    noted = DOUBLED_DAMPING if account.is_ntk_regression else NOTED_EXCESS
    if account.sketch_excess is not None and account.sketch_excess <= noted:
        return []
    if account.is_ntk_regression:
        words = (
            "The gradient sketch is too small for all contributors together: it at least doubles the damping of their "
            "regression, so large coalitions are undervalued. Raise ntk.sketch_features or value.damping."
        )
        return [warning("full-sketch-coalitions", words)]
    bias = "too large to be estimated" if account.sketch_excess is None else percent(account.sketch_excess)
    words = (
        f"The NTK term of coalitions contains the bias of the gradient sketch, which for all contributors together is {bias}: "
        "large coalitions are undervalued. Raise ntk.sketch_features or ntk.damping."
    )
    return [warning("full-sketch-coalitions", words)]


def _neighbours(found: CoalitionValues) -> Iterator[RunWarning]:
    if found.shapley_errors is None or len(found.names) < 2:
        return
    order = np.argsort(-found.shapley, kind="stable")
    steps = -np.diff(found.shapley[order])
    errors = np.hypot(found.shapley_errors[order[:-1]], found.shapley_errors[order[1:]])
    close = int((steps <= APART * errors).sum())
    if close > len(steps) / 2:
        words = (
            f"Shapley values are sampled: {count(close)} of {counted(len(steps), 'pair')} of neighbours in their order differ "
            f"by less than {APART:g} standard errors, so single ranks are not reliable. Raise value.coalitions for smaller "
            "errors."
        )
        yield warning("shapley-neighbours", words)


def _left_out(found: CoalitionValues) -> Iterator[RunWarning]:
    if found.left_out:
        words = (
            f"Coalition values are computed for the {count(len(found.names))} contributors with the highest values only. For "
            "the others, marginal contributions and redundancy are not known."
        )
        yield warning("coalitions-left-out", words, list(found.left_out))


def _copies(found: CoalitionValues, ranking: pa.Table) -> Iterator[RunWarning]:
    pairs = _copied(found)
    for cover, one, other in pairs[:MOST_PAIRS]:
        alone = fixed(float(found.alone[one]), value_decimals(ranking))
        words = (
            f"A contributor ({kind_of(ranking).alone}: {alone}) adds little to all others, since another one covers "
            f"{percent(cover)} of its contribution. Leave out one of the two, not both."
        )
        yield warning("covered-by-another", words, [found.names[one], found.names[other]])
    if rest := [found.names[one] for _, one, _ in pairs[MOST_PAIRS:]]:
        words = (
            f"{counted(len(rest), 'more contributor')} with a high value alone and a small leave-one-out value, each covered "
            "by another one."
        )
        yield warning("covered-by-another", words, rest)


def _copied(found: CoalitionValues) -> list[tuple[float, int, int]]:
    """(cover, contributor, the one that covers it), highest cover first; two that cover each other count once."""
    pairs = []
    for one in range(len(found.names)):
        covers = [(found.cover(one, other) or 0.0, other) for other in found.substitutes(one, len(found.names))]
        best, other = max(covers, key=lambda entry: entry[0], default=(0.0, one))
        if best >= COVERED and found.alone[one] >= np.median(found.alone):
            pairs.append((best, one, other))
    both = {(one, other) for _, one, other in pairs}
    kept = [(cover, one, other) for cover, one, other in pairs if one < other or (other, one) not in both]
    return sorted(kept, key=lambda entry: (-entry[0], entry[1]))


def _covered_by_several(found: CoalitionValues) -> Iterator[RunWarning]:
    """Upper quarter of values alone and lower quarter of leave-one-out values, without one other contributor as the reason."""
    if len(found.names) < FEWEST_FOR_QUARTERS:
        return
    copied = {place for _, one, other in _copied(found) for place in (one, other)}
    high, low = float(np.quantile(found.alone, 0.75)), float(np.quantile(found.leave_one_out, 0.25))
    several = [
        name
        for place, name in enumerate(found.names)
        if place not in copied
        and found.alone[place] >= high
        and found.leave_one_out[place] <= min(low, HARDLY * found.shapley[place])
    ]
    if several:
        words = "High value alone, small leave-one-out value: several other contributors together may cover its contribution."
        yield warning("covered-by-several", words, several)
