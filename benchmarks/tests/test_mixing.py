"""Mixtures against trainings on planted rows: generated rows without any sense are found to be, in both ways."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.mixing import coverage, measure, truncation
from benchmarks.mixing.__main__ import coalition_figures, part_figures, ratio_figures
from benchmarks.mixing.attacks import declaring, splitting, weighing
from benchmarks.mixing.coverage import coverage_figures, covered
from benchmarks.mixing.measure import coalitions, contributors, part_signs, ratios, teams
from benchmarks.mixing.worlds import MixingWorld, Rows

N_CLASSES = 3


def planted(n: int, seed: int, right: bool = True) -> Rows:
    drawn = np.random.default_rng(seed)
    labels = drawn.integers(0, N_CLASSES, n)
    centres = np.eye(N_CLASSES, 6)
    shown = labels if right else (labels + 1) % N_CLASSES
    return Rows(np.hstack([centres[shown] + 0.4 * drawn.normal(size=(n, 6)), np.ones((n, 1))]), labels)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> MixingWorld:
    few = {"BUDGETS": (40, 90), "SEEDS": 2, "SMALL_BUDGET": 30, "CONTRIBUTORS": 6, "COALITIONS": 6, "TEAM": 2, "TEAMS": 8}
    for name, number in few.items():
        monkeypatch.setattr(measure, name, number)
    return MixingWorld("planted", planted(200, 1), planted(200, 2, right=False), planted(80, 3), planted(200, 4), N_CLASSES)


def test_wrong_rows_are_best_left_out_by_training_and_by_value(world: MixingWorld) -> None:
    found = ratios(world)
    assert [one.budget for one in found] == [40, 90]
    for one in found:
        assert int(np.argmax(one.truth)) <= 2
        assert one.spearman(one.predicted) > 0.9
        assert one.regret(one.predicted) < 0.1
        assert one.regret(one.rivals["all-alike"]) > one.regret(one.rivals["all-real"])
        assert one.agreement > 0.5
    assert len(found[0].rivals["eq8"]) == len(measure.RATIOS)
    assert found[0].small_seconds > 0
    named = {one["name"]: one["figure"] for one in ratio_figures(found)}
    assert named["ratio_seconds/planted/regression-on-small/linear"] > 0
    order = np.mean([one.spearman(one.predicted) for one in found])
    assert named["ratio_spearman/planted/linear"] == pytest.approx(order, rel=1e-3)
    assert named["ratio_spearman/planted/linear/low"] <= named["ratio_spearman/planted/linear/high"]
    assert named["ratio_regret/planted/linear"] == pytest.approx(max(one.regret(one.predicted) for one in found), abs=1e-3)


def test_signs_of_parts_and_orders_of_unions_follow_training(world: MixingWorld) -> None:
    drawn = contributors(world)
    signs, unions = part_signs(world, drawn), coalitions(world, drawn)
    assert len(signs.truth) == len(unions.truth) == 6
    assert np.mean(signs.truth) < 0
    assert {one["name"]: one["figure"] for one in part_figures([signs])}["part_sign_share/linear"] >= 0.8
    unions_told = {one["name"]: one["figure"] for one in coalition_figures(world.name, unions)}
    name = "coalition_spearman/planted"
    assert unions_told[f"{name}/linear/low"] <= unions_told[f"{name}/linear"] <= unions_told[f"{name}/linear/high"]
    assert -1 <= unions_told[f"{name}/mean-of-single/linear"] <= 1
    found = teams(world, drawn)
    assert len(found.random) == 8
    assert found.regret < 0.5
    assert found.beaten > 0.5


def test_what_a_contributor_says_of_its_rows_changes_no_value_of_all_of_them(world: MixingWorld) -> None:
    drawn = contributors(world)
    for origin in ("real", "synthetic"):
        n, told, change = declaring(world, drawn, origin)
        assert 0 <= told <= n <= len(drawn)
        assert change < 1e-9
        found = weighing(world, drawn, origin)
        assert found is not None
        assert found.gain > 0  # generated rows that are all wrong are best left out
        assert found.weight < 0.5
        assert found.gain_declared < found.gain  # with wrong rows among the real ones, or right ones among the generated
        if origin == "real":
            assert found.weight_declared > found.weight
    places, ratio = splitting(world, drawn)
    assert places <= 0.5  # a half has fewer rows: its value is hardly ever higher
    assert np.isfinite(ratio)


def test_planted_truncations_are_held_by_their_intervals() -> None:
    few = [truncation.Planted("labels", 40, 1.0, 600, 600, 12, 0.0), truncation.Planted("tokens", 60, 1.0, 900, 900, 15, 0.3)]
    whole = truncation.Planted("clusters", 12, 1.0, 600, 400, np.inf, 0.0)
    found = {one: truncation.found_again(one, 3) for one in (*few, whole)}
    assert [round(one.lost, 2) for one in few] == [0.27, 0.3]
    named = {one["name"]: one["figure"] for one in truncation.truncation_figures(found)}
    assert named["truncation_coverage"] > 0.7
    assert named["truncation_told"] > 0.6
    assert named["truncation_told_without_one"] == 0
    assert {"truncation_coverage/at-bounds", "truncation_coverage/softness"} <= set(named)


def test_intervals_hold_what_draws_are_in_the_mean(world: MixingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "ROWS", 40)
    monkeypatch.setattr(coverage, "TARGET_ROWS", 60)
    found = covered(world, 12)
    assert {name: len(held) for name, held in found.items()} == dict.fromkeys(coverage.QUANTITIES, 12)
    mean, *_ = coverage_figures(world.name, found)
    assert mean["name"] == "interval_coverage/planted/linear"
    assert mean["figure"] > 0.75
