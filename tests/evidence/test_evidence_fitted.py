"""Eq. 8 under fitted weights from stored results: found elsewhere, and nobody is judged by their own truth."""

from __future__ import annotations

import numpy as np
import pytest

from mixval.evidence.baselines.method import Scores
from mixval.evidence.fitted import FITTED, SINGLES, is_apart, terms_of, with_fitted
from mixval.evidence.results import SkippedMethod, WorldResult, method_result
from mixval.evidence.weights import left_out_scores, standardised
from mixval.valuation.fitting import fit_weights

PLANTED = np.array([2.0, 0.0, 0.5, 0.0])


def world(name: str, k: int, seed: int, scale: float = 1.0, rows: str = "", noise: float = 0.0) -> WorldResult:
    """Truth is minus the planted weights times the standardised terms; terms and truth are in the world's own units."""
    random = np.random.default_rng(seed)
    terms = (5 + random.normal(size=(k, 4))) * scale
    truth_of = -standardised(terms) @ PLANTED * scale + noise * random.normal(size=k)
    names = [f"{name}-{at:02d}" for at in range(k)]
    truth = {one: [float(value)] for one, value in zip(names, truth_of, strict=True)}
    needs = frozenset({"features"})
    methods = [
        method_result(name, single, Scores(-terms[:, at], 1.0 + at, 100 * at, needs), names, truth)
        for at, single in enumerate(SINGLES)
    ]
    digests = {one: f"{rows or name}{at}" for at, one in enumerate(names)}
    return WorldResult(world=name, task="language-modelling", truth=truth, truth_seconds=1.0, methods=methods, rows=digests)


def fitted(result: WorldResult) -> np.ndarray:
    return result.scores_of(FITTED)


def test_weights_of_other_worlds_order_a_world_in_other_units() -> None:
    worlds = [world("a", 8, 0), world("b", 9, 1, scale=40.0), world("c", 7, 2, scale=0.01)]
    refitted = with_fitted(worlds)
    for one in refitted:
        ranked = next(method for method in one.methods if method.method == FITTED)
        assert ranked.statistics["spearman"].value > 0.9  # a ridge shrinks
        others = [other.world for other in worlds if other.world != one.world]
        assert ranked.note == f"weights fitted to {', '.join(others)}"
        assert ranked.seconds == pytest.approx(10.0)  # all four terms, 1 to 4 s
        assert ranked.needs == ["features"]
    terms = [terms_of(one) for one in worlds]
    z = np.concatenate([standardised(terms[at]) for at in (1, 2)])
    y = np.concatenate([standardised(worlds[at].mean_truth) for at in (1, 2)])
    expected = -standardised(terms[0]) @ fit_weights(z, y, "").weights.coefficients
    np.testing.assert_allclose(fitted(refitted[0]), expected, rtol=1e-12)


def test_a_world_s_own_truth_does_not_move_its_scores() -> None:
    a, b = world("a", 8, 0), world("b", 9, 1)
    turned = WorldResult.model_validate({**dict(a), "truth": {name: [-v for v in seeds] for name, seeds in a.truth.items()}})
    np.testing.assert_array_equal(fitted(with_fitted([a, b])[0]), fitted(with_fitted([turned, b])[0]))
    assert not np.array_equal(fitted(with_fitted([a, b])[1]), fitted(with_fitted([turned, b])[1]))


def test_a_world_with_the_same_contributors_is_no_teacher() -> None:
    one, again = world("a", 8, 0, noise=0.5), world("again", 8, 5, rows="a", noise=0.5)
    assert not is_apart(one, again)
    assert is_apart(one, world("b", 8, 5))
    alone, beside = with_fitted([one])[0], with_fitted([one, again])[0]
    np.testing.assert_array_equal(fitted(alone), fitted(beside))
    np.testing.assert_allclose(fitted(alone), left_out_scores(terms_of(one), one.mean_truth), rtol=1e-12)
    unnamed = [WorldResult.model_validate({**dict(one), "rows": {}, "world": name, "methods": []}) for name in ("x", "y")]
    assert not is_apart(*unnamed)  # the same truth under another name


def test_too_few_to_learn_from_are_skipped_with_the_reason() -> None:
    [few] = with_fitted([world("few", 4, 0)])
    assert [one.method for one in few.skipped] == [FITTED]
    assert "expected 6 contributors to fit weights to some of them, found 4" in few.skipped[0].reason
    whole = world("a", 8, 0)
    partial = WorldResult.model_validate({**dict(whole), "methods": whole.methods[1:]})
    assert with_fitted([partial]) == [partial]


def test_judging_again_replaces_what_was_judged_before() -> None:
    old = SkippedMethod(method=FITTED, reason="nobody gave it weights")
    a = WorldResult.model_validate({**dict(world("a", 8, 0)), "skipped": [old]})
    once = with_fitted([a])
    assert once[0].skipped == []
    assert with_fitted(once) == once
