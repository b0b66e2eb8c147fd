"""Means, margins and losses over worlds, against what can be told by hand, and their tables and figures."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.evidence.distribution.figures import distribution_figures
from benchmarks.evidence.distribution.over_worlds import by_design, clustered_means, over_worlds, record
from benchmarks.evidence.distribution.results import FORMS, HEADLINE
from benchmarks.evidence.distribution.tables import distribution_text, losses_table
from benchmarks.tests.planted_distribution import ordered, planted
from mixval.errors import ContractError

OURS = "ntk-regression"
SWAPPED = 1 - 6 * 8 / (6 * 35)
"""Spearman of six scores, the first and the third exchanged: 1 - 6 sum d^2 / (n (n^2 - 1))."""
WORLDS = [
    planted("a", {OURS: ordered(1), "size": ordered(-1), "mmd": ordered(0.8)}, forms=FORMS),
    planted("b", {OURS: ordered(0.8), "size": ordered(1)}, design="shift", task="instruction"),
    planted("c", {OURS: ordered(1), "size": ordered(1)}, design="shift", role="development"),
]


def test_means_and_margins_are_over_worlds_that_both_have() -> None:
    found = over_worlds(WORLDS, HEADLINE, n_resamples=500)
    assert found.mean.value == pytest.approx((2 + SWAPPED) / 3)
    assert found.by_task == pytest.approx({"instruction": SWAPPED, "text-classification": 1.0})
    rivals = {one.method: one for one in found.rivals}
    assert rivals["size"].margins == pytest.approx({"a": 2.0, "b": SWAPPED - 1, "c": 0.0})
    assert rivals["size"].margin.value == pytest.approx((1 + SWAPPED) / 3)
    assert rivals["size"].record == (1, 1)
    assert rivals["mmd"].margin.value == pytest.approx(1 - SWAPPED)
    assert by_design(found, rivals["size"], lambda one: one.design) == {"noise": (1, 0), "shift": (0, 1)}
    assert [(world, one.method) for world, one in found.losses(0.1)] == [("b", "size")]
    assert found.losses(0.5) == []
    with pytest.raises(ContractError, match="found none"):
        over_worlds(WORLDS, "accuracy/early-stopping", ours="davinz")


def test_worlds_of_one_cluster_are_resampled_together() -> None:
    values = np.array([0.0, 0.0, 1.0])
    means = clustered_means(values, ["x", "x", "y"], 4000)
    # Two clusters drawn with replacement: both x (mean 0), both y (mean 1), or one of each (mean 1/3), at 1/4, 1/4 and 1/2.
    shares = {value: float(np.mean(np.isclose(means, value))) for value in (0.0, 1 / 3, 1.0)}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[0.0] == pytest.approx(0.25, abs=0.05)  # 7 standard errors
    assert shares[1 / 3] == pytest.approx(0.5, abs=0.05)
    assert np.array_equal(means, clustered_means(values, ["x", "x", "y"], 4000))


def test_near_ties_are_neither_won_nor_lost() -> None:
    assert record([0.2, 0.004, -0.004, -0.2, -0.3]) == (1, 2)


def test_tables_name_who_leads_and_keep_development_apart() -> None:
    text = distribution_text(WORLDS)
    assert "Judged worlds: 2, with a published pretrained backbone 0" in text
    assert "Development worlds, on which a method may be shaped: 1." in text
    assert "not measured yet: cifar10-efficientnet-compound-101, " in text
    assert "| design noise | 1–0 | 1–0 |" in text
    assert "| a design that development has | 1–0 | 1–1 |" in text
    judged = over_worlds([one for one in WORLDS if one.role == "judged"], HEADLINE)
    assert f"| b | {SWAPPED:.2f} | `size` | {1 - SWAPPED:.2f} |" in losses_table(judged)
    assert losses_table(over_worlds(WORLDS[:1], HEADLINE)) == "In none."


def test_figures_are_of_judged_worlds_and_of_every_form() -> None:
    unscored = planted("unscored", {"size": ordered(1)})  # nothing is said of it
    by_name = {one["name"]: one["figure"] for one in distribution_figures([*WORLDS, unscored], "command")}
    assert by_name == {"worlds/judged": 2, "worlds/judged/pretrained": 0}  # of two clusters no interval can be told
    more = [planted(f"more-{at}", {OURS: ordered(1), "size": ordered(0.8)}) for at in range(4)]
    by_name = {one["name"]: one["figure"] for one in distribution_figures([*WORLDS, *more], "command")}
    assert by_name["world_mean_spearman"] == pytest.approx((5 + SWAPPED) / 6, rel=1e-3)
    assert by_name["world_mean_spearman/instruction"] == pytest.approx(SWAPPED, rel=1e-3)
    assert SWAPPED < by_name["world_mean_spearman_low"] < by_name["world_mean_spearman"] < 1
    assert "truth/accuracy/planned-steps/world_mean_spearman" not in by_name  # one world has that form
    assert "rival_margin_low/mmd" not in by_name
    assert by_name["rival_margin_low/size"] < (2 + SWAPPED - 1 + 4 * (1 - SWAPPED)) / 6  # the mean margin
