"""Eq. 8 under fitted weights, evaluated on truth that was not used to fit them, from stored results alone.

The terms of a world are the scores of its single-term methods, negated, so that no model is needed. Weights come

    from all other worlds that have terms and no contributor in common with this one (leave one world out), or else
    from the other folds of this world's own contributors (`weights.py`). They need at least six.

It costs what Eq. 8 under `equal-z` costs, and truth elsewhere, which is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixval.contracts.terms import TERMS
from mixval.evidence.baselines.eq8 import SINGLE_TERMS
from mixval.evidence.baselines.method import Scores
from mixval.evidence.results import MethodResult, SkippedMethod, WorldResult, method_result
from mixval.evidence.weights import FEWEST, left_out_scores, transferred_scores
from mixval.terms.arrays import Floats

FITTED = "eq8-fitted"
SINGLES = tuple(one.method for one in SINGLE_TERMS.values())
"""Methods that are minus one term."""
WHOLE = ("eq8-equal-z", "eq8-scale-matched")
"""Rules whose cost is that of all terms."""


def with_fitted(results: Sequence[WorldResult]) -> list[WorldResult]:
    """The worlds, those that have all single terms with `eq8-fitted` among their methods."""
    return [_scored(one, [other for other in results if other is not one]) for one in results]


def terms_of(result: WorldResult) -> Floats | None:
    """(K, T) terms of Eq. 8 in the order of `names`; None unless every single term has scores. One that has no method is 0."""
    if not set(SINGLES) <= {one.method for one in result.methods}:
        return None
    found = {term: -result.scores_of(one.method) for term, one in SINGLE_TERMS.items()}
    return np.stack([found.get(term, np.zeros(len(result.names))) for term in TERMS], axis=1)


def is_apart(one: WorldResult, other: WorldResult) -> bool:
    """Whether no contributor of one world is, as far as results tell, a contributor of the other."""
    theirs = set(other.rows.values())
    return one.truth != other.truth and not any(digest in theirs for digest in one.rows.values())


def _scored(result: WorldResult, others: Sequence[WorldResult]) -> WorldResult:
    terms = terms_of(result)
    if terms is None:
        return result
    teachers = [
        (other.world, of_other, other.mean_truth)
        for other in others
        if is_apart(result, other) and (of_other := terms_of(other)) is not None
    ]
    methods = [one for one in result.methods if one.method != FITTED]
    skipped = [one for one in result.skipped if one.method != FITTED]
    if sum(len(truth) for _, _, truth in teachers) >= FEWEST:
        scores = transferred_scores(terms, [(of_world, truth) for _, of_world, truth in teachers])
        methods.append(_result(result, scores, f"weights fitted to {', '.join(world for world, _, _ in teachers)}"))
    elif len(result.truth) >= FEWEST:
        scores = left_out_scores(terms, result.mean_truth)
        methods.append(_result(result, scores, "weights of each fold of contributors fitted to the others"))
    else:
        reason = f"expected {FEWEST} contributors to fit weights to some of them, found {len(result.truth)}. Add another world."
        skipped.append(SkippedMethod(method=FITTED, reason=reason))
    return WorldResult.model_validate({**dict(result), "methods": methods, "skipped": skipped})


def _result(result: WorldResult, scores: Floats, note: str) -> MethodResult:
    paid = [one for one in result.methods if one.method in WHOLE]
    singles = [one for one in result.methods if one.method in SINGLES]
    seconds = max(one.seconds for one in paid) if paid else sum(one.seconds for one in singles)
    needs = frozenset(need for one in singles for need in one.needs)
    cost = Scores(scores, seconds, max(one.peak_bytes for one in (*paid, *singles)), needs)
    return method_result(result.world, FITTED, cost, result.names, result.truth).model_copy(update={"note": note})
