"""What a reader should not trust in coalition values, found in their own numbers.

A contributor that is worth much alone and hardly missed by the coalition of all is not worthless: others bring what it brings.
Left out together with them, its worth would be gone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from mixval.contracts.coalitions import CoalitionAccount
from mixval.publish.coalition_values import CoalitionValues, coalition_values
from mixval.publish.numerals import count, counted, fixed, percent
from mixval.publish.regression_warnings import DOUBLED_DAMPING
from mixval.publish.run_warnings import RunWarning

APART = 2.0
"""Standard errors of a difference from which two Shapley values count as apart."""
COVERED = 0.9
"""Share of what a contributor would be missed by that another one brings as well, from which it counts as a copy."""
HARDLY = 0.1
"""Leave-one-out over Shapley value up to which a contributor counts as hardly missed."""
NOTED_EXCESS = 0.1
"""Relative bias of the NTK term of all together from which it is named."""
MOST_PAIRS = 3
"""Pairs that have a warning of their own."""
FEWEST_FOR_QUARTERS = 8


def coalition_warnings(ranking: pa.Table, coalitions: pa.Table | None, redundancy: pa.Table | None) -> list[RunWarning]:
    """Every warning that coalition values give; none for a run without them.

    Raises:
        ContractError: the tables do not fit the ranking.
    """
    found = coalition_values(ranking, coalitions, redundancy)
    if found is None:
        return []
    return [*_neighbours(found), *_left_out(found), *_copies(found), *_covered_by_several(found)]


def sketch_warnings(account: CoalitionAccount) -> list[RunWarning]:
    """Whether the gradient sketch is wide enough for the coalition of all: what it leaves out grows with the rows."""
    noted = DOUBLED_DAMPING if account.is_ntk_regression else NOTED_EXCESS
    if account.sketch_excess is not None and account.sketch_excess <= noted:
        return []
    if account.is_ntk_regression:
        words = (
            "All contributors together nearly fill the gradient sketch, which damps their regression at least twice as much as "
            "asked for: large coalitions look worse than they are. Raise ntk.sketch_features or value.damping."
        )
        return [RunWarning(kind="full-sketch-coalitions", words=words)]
    told = "is too full to tell its bias" if account.sketch_excess is None else f"adds {percent(account.sketch_excess)} to it"
    words = (
        f"Coalitions keep the bias of the gradient sketch in their NTK term, and for all contributors together the sketch "
        f"{told}: "
        "large coalitions look worse than they are. Raise ntk.sketch_features or ntk.damping."
    )
    return [RunWarning(kind="full-sketch-coalitions", words=words)]


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
            f"by less than {APART:g} standard errors. Read groups, not ranks; more coalitions (value.coalitions) narrow them."
        )
        yield RunWarning(kind="shapley-neighbours", words=words)


def _left_out(found: CoalitionValues) -> Iterator[RunWarning]:
    if found.left_out:
        words = (
            f"Coalition values are of the {count(len(found.names))} best-ranked contributors: what those that took no part "
            "would add, or stand in for, is not known."
        )
        yield RunWarning(kind="coalitions-left-out", words=words, contributors=list(found.left_out))


def _copies(found: CoalitionValues) -> Iterator[RunWarning]:
    pairs = _copied(found)
    for cover, one, other in pairs[:MOST_PAIRS]:
        alone, loss = (fixed(float(values[one]), 3) for values in (found.alone, found.leave_one_out))
        words = (
            f"A contributor worth {alone} alone would be missed by {loss} only: another one brings {percent(cover)} of the "
            "same. Leave out one of the two, not both."
        )
        yield RunWarning(kind="covered-by-another", words=words, contributors=[found.names[one], found.names[other]])
    if rest := [found.names[one] for _, one, _ in pairs[MOST_PAIRS:]]:
        words = (
            f"{counted(len(rest), 'more contributor')} worth much alone would hardly be missed, each because of another one."
        )
        yield RunWarning(kind="covered-by-another", words=words, contributors=rest)


def _copied(found: CoalitionValues) -> list[tuple[float, int, int]]:
    """(cover, contributor, who covers it), best covered first; two that cover each other count once."""
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
    """Upper quarter alone and lower quarter of leave-one-out, without a single other one to explain it."""
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
        words = "Worth much alone, yet all together would hardly miss it: several others together bring what it brings."
        yield RunWarning(kind="covered-by-several", words=words, contributors=several)
