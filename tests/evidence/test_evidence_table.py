"""Stored results and their comparison: the planted order comes out, what is lost is listed, and nothing is mixed up."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from mixval.errors import ContractError
from mixval.evidence.agreement import seed_agreement
from mixval.evidence.comparison import compare
from mixval.evidence.results import WorldResult, read_results, write_result
from mixval.evidence.table import table_text
from mixval.storage.root import open_location
from tests.evidence.planted_results import planted_world, planted_worlds


def test_a_result_is_what_was_measured_and_comes_back_from_storage() -> None:
    worlds = planted_worlds()
    root = open_location("memory://evidence-results")
    for world in reversed(worlds):
        write_result(world, root)
    assert read_results(root) == worlds
    one = worlds[0].methods[2]
    truth = worlds[0].truth
    expected = spearmanr([one.scores[name] for name in sorted(truth)], [np.mean(truth[name]) for name in sorted(truth)])
    assert one.statistics["spearman"].value == pytest.approx(expected.statistic)
    assert set(one.statistics) == {"spearman", "kendall", "pearson", "top_regret"}
    seeds = np.array([truth[name] for name in sorted(truth)]).T
    assert worlds[0].ceiling == pytest.approx(seed_agreement(seeds).ceiling)


def test_results_that_do_not_fit_are_refused_with_the_place() -> None:
    root = open_location("memory://evidence-broken")
    root.child("pixels", "notes.txt").write_bytes(b"")
    with pytest.raises(ContractError, match=r"evidence-broken.*expected WORLD/results\.json, found none"):
        read_results(root)
    world = planted_worlds()[0]
    for change, words in (
        ({"truth": {"c00": [1.0]}}, "at least two contributors"),
        ({"truth": world.truth | {"other": [1.0, 2.0, 3.0]}}, "must score the contributors of 'pixels'"),
        ({"methods": [world.methods[0], world.methods[0]]}, "may stand once"),
    ):
        root.child("pixels", "results.json").write_bytes(world.model_copy(update=change).model_dump_json().encode())
        with pytest.raises(ContractError, match=f"(?s)pixels/results.json.*{words}"):
            read_results(root)


def test_one_seed_has_no_ceiling() -> None:
    world = planted_worlds()[0]
    single = {name: seeds[:1] for name, seeds in world.truth.items()}
    assert WorldResult.model_validate(world.model_dump() | {"truth": single}).ceiling is None


def test_the_comparison_says_what_was_planted() -> None:
    worlds = planted_worlds()
    found = compare(worlds)
    assert compare(worlds) == found
    ours, size = found.named("ntk-regression"), found.named("size")
    assert ours.against_ours is None
    assert [one.method for one in found.rivals] == [
        one.method for one in found.methods if not one.method.startswith("ntk-regression")
    ]
    assert ours.mean.value == pytest.approx(np.mean([one.value for one in ours.by_world.values()]))
    for result in worlds:
        for one in result.methods:
            assert found.named(one.method).by_world[result.world] == one.statistics["spearman"]
    won, lost = (size.against_ours_by_world[world] for world in ("pixels", "words"))
    assert won.gain.low > 0
    assert lost.gain.high < 0
    assert max(won.p_holm, lost.p_holm) < 0.05
    assert won.p <= won.p_holm
    assert found.losses == [("words", size)]
    assert found.named("random").mean.value == 0.0


def test_a_rival_of_one_world_is_compared_with_ours_there() -> None:
    trak = compare(planted_worlds()).named("trak")
    assert list(trak.by_world) == ["pixels"]
    assert trak.against_ours is not None
    assert trak.against_ours.gain == trak.against_ours_by_world["pixels"].gain
    assert trak.against_ours.gain.value == pytest.approx(
        compare(planted_worlds()).named("ntk-regression").by_world["pixels"].value - trak.mean.value
    )


def test_the_same_ranking_is_no_difference() -> None:
    world = planted_world("pixels", {"ntk-regression": 0.0, "size": 0.0, "tracin": 0.0})
    for one in compare([world]).rivals:
        assert one.against_ours is not None
        assert (one.against_ours.gain.low, one.against_ours.gain.high, one.against_ours.p_holm) == (0.0, 0.0, 1.0)


def test_another_method_can_be_ours() -> None:
    found = compare(planted_worlds(), ours="size")
    assert {one.method for one in found.rivals} == {"ntk-regression", "ntk-regression-accuracy", "random", "trak"}
    with pytest.raises(ContractError, match=r"world 'words': expected scores of 'trak'.*Rank the world with it too"):
        compare(planted_worlds(), ours="trak")
    with pytest.raises(ContractError, match="each world once, found none"):
        compare([])


def test_the_table_has_a_line_for_every_method_and_names_the_losses() -> None:
    text = table_text(compare(planted_worlds()))
    lines = text.splitlines()
    assert len([line for line in lines if line.startswith(("ntk-regression *", "size ", "random ", "trak "))]) == 4
    assert next(line for line in lines if line.startswith("trak ")).count("–") == 1
    assert "ntk-regression is behind:\n  words: size 1.00 [1.00, 1.00], p (Holm) 0.0" in text
    assert next(line for line in lines if line.startswith("random ")).split()[1:4] == ["0.00", "[0.00,", "0.00]"]
    untouched = compare([planted_worlds()[0]])
    assert "ahead of, or level with, every rival" in table_text(untouched)
