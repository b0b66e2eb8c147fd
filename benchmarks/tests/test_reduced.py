"""The evidence in small, with real trainings: what was planted in the bundled data shows in truth and in our ranking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.evidence import reduced
from mixval.evidence.comparison import compare
from mixval.evidence.fitted import FITTED, with_fitted
from mixval.evidence.results import WorldResult

Facts = dict[str, dict[str, Any]]
LIKE_SIZE = 1.5
"""Ratio of rows up to which two contributors are of the same size."""


@pytest.fixture(scope="module", params=reduced.WORLDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[WorldResult, Facts]:
    result = reduced.measure(request.param, tmp_path_factory.mktemp(request.param))
    return result, {one.name: one.facts for one in reduced.draw(request.param).contributors}


def ordered_pairs(scores: dict[str, float], facts: Facts, worse: Callable[[dict[str, Any]], bool]) -> float:
    """Share of pairs of like size, one of them with most labels wrong, in which that one scores lower."""
    pairs = [
        scores[clean] > scores[noisy]
        for clean in facts
        for noisy in facts
        if worse(facts[noisy])
        and not worse(facts[clean])
        and max(facts[clean]["n_rows"], facts[noisy]["n_rows"])
        <= LIKE_SIZE * min(facts[clean]["n_rows"], facts[noisy]["n_rows"])
    ]
    assert len(pairs) >= 10
    return float(np.mean(pairs))


def test_wrong_labels_cost_what_was_planted(world: tuple[WorldResult, Facts]) -> None:
    result, facts = world
    assert result.skipped == []
    truth = {name: float(np.mean(seeds)) for name, seeds in result.truth.items()}
    ours = next(one.scores for one in result.methods if one.method == "ntk-regression")

    def has_wrong_labels(fact: dict[str, Any]) -> bool:
        return bool(fact["n_noisy"] > fact["n_rows"] / 2)

    assert sum(map(has_wrong_labels, facts.values())) == reduced.CONTRIBUTORS // 2
    assert ordered_pairs(truth, facts, has_wrong_labels) >= 0.9
    assert ordered_pairs(ours, facts, has_wrong_labels) >= 0.9


def test_ours_is_nearer_to_truth_than_chance_and_size(world: tuple[WorldResult, Facts]) -> None:
    [result] = with_fitted([world[0]])
    found = {one.method: one.by_world[result.world].value for one in compare([result]).methods}
    assert set(found) == {*reduced.METHODS, FITTED}
    assert found["ntk-regression"] > 0.5
    assert found["ntk-regression"] > max(found["random"], found["size"])
    assert found["ntk-regression"] > found["eq8-equal-z"]


def test_the_rows_are_the_examples_own_with_their_true_labels() -> None:
    world = reduced.draw("images")
    again = reduced.draw("images")
    assert [one.table for one in world.contributors] == [one.table for one in again.contributors]
    held = {row["id"]: row["label"] for row in world.target.to_pylist() + world.test.to_pylist()}
    assert len(held) == 300
    labels: dict[str, set[int]] = {}
    for one in world.contributors:
        flags = one.ledger["is_noisy"].to_pylist()
        for row, is_noisy in zip(one.table.to_pylist(), flags, strict=True):
            assert row["id"] not in held
            if not is_noisy:
                labels.setdefault(row["id"], set()).add(row["label"])
    assert all(len(found) == 1 for found in labels.values())  # a row whose label was mended has one in every contributor
