"""Values of groups of whole runs: those of runs on the rows in question, the parts' where a column says the origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mixval.publish.explain import explain
from mixval.publish.stored_run import StoredRun, open_run
from mixval.stages.whole_run import run_here
from tests.stages.test_stages_mixtures import IMAGES, SKETCHED, wrong
from tests.worlds import World, rows

VALUE = {"method": "ntk-regression", "replicates": 60, "coalitions": 0}
GOOD, BAD, TINY = 30, 40, 3


def grouped(world: World, name: str, content: list[tuple[str | None, dict[str, Any]]], shard: str = "part-0.parquet") -> None:
    made = [row | {"source": source} for source, row in content]
    world.shard(name, pa.Table.from_pylist(made, schema=world.schema(source=pa.string())), shard)


def world_of(root: Path) -> World:
    """`several` has good, bad and few other rows, in two shards; `none` has no such column."""
    world = World(root, IMAGES, {"ntk": SKETCHED, "value": VALUE | {"groups": ["source", "origin"], "most_groups": 2}})
    world.hold_out(rows(IMAGES, 60, start=0) + wrong(rows(IMAGES, 12, start=500)))
    good = [("good", row) for row in rows(IMAGES, GOOD, start=1_000)]
    bad = [("bad", row) for row in wrong(rows(IMAGES, BAD, start=2_000, origin="synthetic"))]
    few = [(f"tiny-{place}", row) for place, row in enumerate(rows(IMAGES, TINY, start=2_500))]
    grouped(world, "several", good[:20] + bad[:10])
    grouped(world, "several", good[20:] + bad[10:] + few, "part-1.parquet")
    grouped(world, "good-alone", good)
    grouped(world, "without-bad", [*good, *few])
    world.contribute("none", rows(IMAGES, 20, start=3_000))
    return world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_of(tmp_path_factory.mktemp("groups"))


@pytest.fixture(scope="module")
def run(world: World) -> StoredRun:
    return open_run(run_here(world.config()).url)


def groups_of(run: StoredRun, contributor: str | None, column: str = "source") -> dict[str | None, dict[str, Any]]:
    assert run.groups is not None
    own = [row for row in run.groups.to_pylist() if (row["contributor"], row["column"]) == (contributor, column)]
    return {"OTHERS" if row["is_others"] else row["group"]: row for row in own}


def test_a_group_is_worth_what_its_rows_are_as_a_contributor(run: StoredRun) -> None:
    ranking = {row["contributor"]: row for row in run.ranking.to_pylist()}
    found = groups_of(run, "several")
    assert {name: row["n_rows"] for name, row in found.items()} == {"bad": BAD, "good": GOOD, "OTHERS": TINY}
    assert found["good"]["value"] == pytest.approx(ranking["good-alone"]["value"], rel=1e-6)
    adds = ranking["several"]["value"] - ranking["without-bad"]["value"]
    assert found["bad"]["adds"] == pytest.approx(adds, rel=1e-5)
    assert found["bad"]["adds_high"] < 0
    assert (found["bad"]["verdict"], found["good"]["verdict"]) == ("leave", "take")


def test_who_has_one_group_has_the_rankings_value_and_no_column_is_a_group_of_its_own(run: StoredRun) -> None:
    ranking = {row["contributor"]: row for row in run.ranking.to_pylist()}
    for name, group in (("good-alone", "good"), ("none", "OTHERS")):
        (found,) = groups_of(run, name).values()
        assert found == groups_of(run, name)[group]
        assert [found[f"value{end}"] for end in ("", "_low", "_high")] == [
            ranking[name][f"value{end}"] for end in ("", "_low", "_high")
        ]
        assert found["adds"] is None


def test_groups_by_origin_are_the_parts(run: StoredRun) -> None:
    assert run.parts is not None
    for name in ("several", None):
        by_origin = groups_of(run, name, "origin")
        parts = {row["part"]: row for row in run.parts.to_pylist() if row["contributor"] == name}
        for part in ("real", "synthetic"):
            assert by_origin[part]["verdict"] == parts[part]["verdict"]
            for column in ("n_rows", "value", "adds"):
                assert by_origin[part][column] == pytest.approx(parts[part][column], rel=1e-6), (name, part, column)
            for column in ("value_low", "value_high", "adds_low", "adds_high"):
                assert by_origin[part][column] == pytest.approx(parts[part][column], rel=0.05, abs=2e-3), (name, part, column)


def test_of_all_together_a_group_counts_over_contributors(run: StoredRun) -> None:
    found = groups_of(run, None)
    assert {name: row["n_rows"] for name, row in found.items()} == {"good": 3 * GOOD, "bad": BAD, "OTHERS": 2 * TINY + 20}
    assert found["bad"]["verdict"] == "leave"


def test_an_explanation_lists_the_groups(run: StoredRun) -> None:
    tables = (run.coalitions, run.redundancy, run.parts, run.mixture, run.mixture_best, run.groups)
    said = str(explain(run.ranking, run.terms, run.rejected, "several", run.manifest.warnings, *tables))
    assert "By source, value alone and what it adds to the other rows:" in said
    assert "would be better left out: bad" in said
    assert b'id="h-groups"' in run.folder.child("report.html").read_bytes()


def test_grouping_by_another_column_keeps_the_ranking(world: World, run: StoredRun) -> None:
    later = open_run(run_here(world.config(value={"groups": ["origin"], "most_groups": 5})).url)
    assert later.ranking.drop_columns(["contributor"]).equals(run.ranking.drop_columns(["contributor"]))
    assert later.manifest.recomputed["terms"] == 0
    assert groups_of(later, "several") == {}
    assert groups_of(later, "several", "origin")["real"]["value"] == groups_of(run, "several", "origin")["real"]["value"]


def test_a_column_that_nobody_has_is_told_and_one_of_lists_fails_by_name(tmp_path: Path) -> None:
    world = World(tmp_path, IMAGES, {"ntk": SKETCHED, "value": VALUE | {"groups": ["source"], "replicates": 0}})
    world.hold_out(rows(IMAGES, 20, start=0))
    world.contribute("plain", rows(IMAGES, 12, start=1_000))
    content = [row | {"source": ["a"]} for row in rows(IMAGES, 12, start=2_000)]
    world.shard("listed", pa.Table.from_pylist(content, schema=world.schema(source=pa.list_(pa.string()))))
    summary = run_here(world.config())
    assert [one.kind for one in summary.warnings].count("groups-unknown") == 1
    run = open_run(summary.url)
    assert run.ranking["contributor"].to_pylist() == ["plain"]
    (reason,) = run.rejected["reason"].to_pylist()
    assert "column 'source' of `value.groups`" in reason
