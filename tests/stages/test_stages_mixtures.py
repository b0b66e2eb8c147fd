"""Values of parts and mixtures of whole runs: those of runs on the rows in question, and the ranking's own where they meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixval.publish.stored_run import StoredRun, open_run
from mixval.stages import whole_run
from mixval.stages.whole_run import run_here
from tests.worlds import World, rows

SKETCHED = {"method": "sketched", "sketch_features": 512}
IMAGES = "image-classification"


def wrong(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"label": (row["label"] + 1 + i % 3) % 4} for i, row in enumerate(content)]


def world_of(root: Path) -> World:
    """`mixed` has right real and wrong synthetic rows, `twin` its real rows alone, in `turned` the synthetic ones are right."""
    world = World(root, IMAGES, {"ntk": SKETCHED, "value": {"method": "ntk-regression", "replicates": 60}})
    real, synthetic = rows(IMAGES, 40, start=1_000), wrong(rows(IMAGES, 80, start=2_000, origin="synthetic"))
    world.hold_out(rows(IMAGES, 80, start=0) + wrong(rows(IMAGES, 16, start=500)))  # not all of which can be got right
    world.contribute("mixed", real + synthetic)
    world.contribute("twin", real)
    world.contribute("turned", wrong(rows(IMAGES, 30, start=3_000)) + rows(IMAGES, 60, start=4_000, origin="synthetic"))
    return world


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    return open_run(run_here(world_of(tmp_path_factory.mktemp("world")).config()).url)


def parts_of(run: StoredRun, contributor: str | None) -> dict[str, dict[str, Any]]:
    assert run.parts is not None
    return {row["part"]: row for row in run.parts.to_pylist() if row["contributor"] == contributor}


def curve_of(run: StoredRun, contributor: str | None, copies: float = 1.0) -> dict[float, dict[str, Any]]:
    assert run.mixture is not None
    found = [row for row in run.mixture.to_pylist() if (row["contributor"], row["copies"]) == (contributor, copies)]
    return {row["weight"]: row for row in found}


def test_a_part_alone_is_worth_what_its_rows_are_as_a_contributor(run: StoredRun) -> None:
    mixed, ranking = parts_of(run, "mixed"), {row["contributor"]: row for row in run.ranking.to_pylist()}
    assert list(mixed) == ["real", "synthetic", "both"]
    assert mixed["real"]["value"] == pytest.approx(ranking["twin"]["value"], rel=1e-6)
    assert mixed["real"]["value_low"] == pytest.approx(ranking["twin"]["value_low"], rel=1e-4)
    assert [mixed["both"][f"value{end}"] for end in ("", "_low", "_high")] == [
        ranking["mixed"][f"value{end}"] for end in ("", "_low", "_high")
    ]
    assert mixed["synthetic"]["adds"] == pytest.approx(mixed["both"]["value"] - mixed["real"]["value"], rel=1e-6)
    assert mixed["real"]["adds"] == pytest.approx(mixed["both"]["value"] - mixed["synthetic"]["value"], rel=1e-6)
    assert parts_of(run, "twin")["real"]["value"] == ranking["twin"]["value"]
    assert parts_of(run, "twin")["real"]["adds"] is None


def test_what_harms_is_told_and_best_left_out(run: StoredRun) -> None:
    assert run.mixture_best is not None
    harmful = parts_of(run, "mixed")["synthetic"]
    assert harmful["adds_high"] < 0
    assert harmful["verdict"] == "leave"
    turned = parts_of(run, "turned")
    assert (turned["real"]["verdict"], turned["synthetic"]["verdict"]) == ("leave", "take")
    best = {row["contributor"]: row for row in run.mixture_best.to_pylist() if row["copies"] == 1}
    assert best["mixed"]["weight"] <= 0.125
    assert best["mixed"]["gain_low"] > 0
    assert best["mixed"]["gain"] == pytest.approx(-harmful["adds"], rel=0.1)
    assert best["turned"]["weight"] >= 1
    weighted = best["turned"]["weight"] * 60
    assert best["turned"]["synthetic_share"] == pytest.approx(weighted / (30 + weighted))


def test_where_synthetic_rows_stop_is_looked_at(run: StoredRun) -> None:
    assert run.truncation is not None
    rows = {(row["contributor"], row["over"], row["reference"]): row for row in run.truncation.to_pylist()}
    wanted = {(name, over, of) for name in ("mixed", "turned") for over in ("labels", "clusters") for of in ("target", "real")}
    assert set(rows) == wanted  # of `twin` there are no synthetic rows
    by_labels = rows["mixed", "labels", "target"]
    assert (by_labels["n_reference"], by_labels["n_synthetic"], by_labels["n_things"]) == (96, 80, 4)
    assert by_labels["n_lacking"] == 0
    assert by_labels["reason"].startswith("too few")  # four labels have no ranks
    assert rows["turned", "labels", "real"]["n_reference"] == 30
    assert rows["mixed", "clusters", "target"]["n_reference"] == 48  # the other half makes the clusters


def test_the_curve_meets_the_parts_and_the_union_of_all(run: StoredRun) -> None:
    curve, parts = curve_of(run, "mixed"), parts_of(run, "mixed")
    assert curve[0.0]["value"] == pytest.approx(parts["real"]["value"], rel=1e-9)
    assert curve[1.0]["value"] == pytest.approx(parts["both"]["value"], rel=1e-6)
    assert min(row["below_best"] for row in curve.values()) == 0
    assert run.manifest.coalitions is not None
    assert curve_of(run, None)[1.0]["value"] == pytest.approx(run.manifest.coalitions.value_of_all, rel=1e-4)
    assert parts_of(run, None)["both"]["n_rows"] == 250
    budgets = curve_of(run, "mixed", 16.0)
    assert all(row["is_extrapolated"] and row["value_low"] is None for row in budgets.values())
    assert not any(row["is_extrapolated"] for row in curve_of(run, "mixed", 1 / 16).values())


@pytest.mark.parametrize("task", [IMAGES, "instruction"])
def test_exact_kernels_give_parts_of_each_contributor(tmp_path: Path, task: Any) -> None:
    exact = {"method": "exact", "sample": {"count": None}}
    world = World(tmp_path, task, {"ntk": exact, "value": {"method": "ntk-regression", "replicates": 40}})
    world.hold_out(rows(task, 24, start=0))
    real, synthetic = rows(task, 14, start=1_000), rows(task, 10, start=2_000, is_near=False, origin="synthetic")
    world.contribute("mixed", real + synthetic)
    world.contribute("twin", real)
    run = open_run(run_here(world.config()).url)
    mixed, ranking = parts_of(run, "mixed"), {row["contributor"]: row for row in run.ranking.to_pylist()}
    curve = curve_of(run, "mixed")
    for end in ("", "_low", "_high"):
        assert mixed["real"][f"value{end}"] == pytest.approx(ranking["twin"][f"value{end}"], rel=1e-5, abs=1e-8)
        assert curve[1.0][f"value{end}"] == pytest.approx(ranking["mixed"][f"value{end}"], rel=1e-5, abs=1e-8)
    adds = mixed["both"]["value"] - mixed["real"]["value"]
    assert mixed["synthetic"]["adds"] == pytest.approx(adds, rel=1e-4, abs=1e-8)
    assert not parts_of(run, None)  # kernels between contributors are not measured
    if task == IMAGES:  # of rows without gradients, to which values are scaled, parts have none
        of_few = open_run(run_here(world.config(ntk={"sample": {"count": 12}})).url)
        assert list(parts_of(of_few, "mixed")) == ["both"]


@pytest.mark.parametrize("gain", ["first-order", "trained"])
def test_values_of_a_causal_model_are_the_rankings(tmp_path: Path, gain: str) -> None:
    world = World(tmp_path, "instruction", {"ntk": SKETCHED, "value": {"method": "ntk-regression", "replicates": 40}})
    world.hold_out(rows("instruction", 30, start=0))
    world.contribute("near", rows("instruction", 30, start=1_000))
    synthetic = rows("instruction", 20, start=3_000, is_near=False, origin="synthetic")
    world.contribute("mixed", rows("instruction", 24, start=2_000) + synthetic)
    world.contribute("real-of-mixed", rows("instruction", 24, start=2_000))
    run = open_run(run_here(world.config(value={"gain": gain})).url)
    ranking = {row["contributor"]: row for row in run.ranking.to_pylist()}
    curve = curve_of(run, "mixed")
    for weight, name in ((1.0, "mixed"), (0.0, "real-of-mixed")):
        for end in ("", "_low", "_high"):
            expected = ranking[name][f"value{end}"]
            assert curve[weight][f"value{end}"] == pytest.approx(expected, rel=1e-4, abs=1e-6), (name, end)


def test_a_run_whose_parts_fail_is_a_ranking_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, IMAGES, {"ntk": SKETCHED, "value": {"method": "ntk-regression", "replicates": 20, "coalitions": 0}})
    world.hold_out(rows(IMAGES, 24, start=0))
    world.contribute("one", rows(IMAGES, 12, start=1_000) + rows(IMAGES, 12, start=2_000, origin="synthetic"))
    prepared = whole_run.mixture_step
    monkeypatch.setattr(whole_run, "mixture_step", lambda work: _obstructed(world, prepared(work)))
    summary = run_here(world.config())
    assert [one.kind for one in summary.warnings].count("mixtures-failed") == 1
    assert open_run(summary.url).parts is None


def _obstructed(world: World, step: Any) -> Any:
    world.obstruct(step.ref)
    return step
