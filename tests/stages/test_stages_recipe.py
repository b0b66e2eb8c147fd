"""Recipes of stored runs: what helps, where it lies, and what it is worth by the run's own sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixval.errors import ConfigError
from mixval.publish.stored_run import StoredRun, open_run
from mixval.stages.recipe import recipe_of
from mixval.stages.whole_run import run_here
from tests.cli.command_line import invoke
from tests.worlds import World, rows

TEXTS = "instruction"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    settings: dict[str, Any] = {
        "ntk": {"method": "sketched", "sketch_features": 256},
        "value": {"replicates": 30, "coalitions": 0},
    }
    world = World(tmp_path_factory.mktemp("world"), TEXTS, settings)
    world.hold_out(rows(TEXTS, 30, start=0))
    far = rows(TEXTS, 20, start=3_000, is_near=False, origin="synthetic")
    world.contribute("mixed", rows(TEXTS, 24, start=2_000) + far)
    world.contribute("near", rows(TEXTS, 30, start=1_000))
    return open_run(run_here(world.config(value={"method": "ntk-regression"})).url)


def test_a_recipe_names_rows_that_help_with_their_place_and_weight(run: StoredRun) -> None:
    found = recipe_of(run, "rows", 40)
    assert {(one.contributor, one.part) for one in found.ingredients} <= {("mixed", "real"), ("near", "real")}
    assert sum(one.rows for one in found.ingredients) == pytest.approx(40, abs=2)
    assert sum(one.proportion for one in found.ingredients) == pytest.approx(1)
    first = found.ingredients[0]
    assert first.where == {"origin": "real"}
    assert [path.rsplit("/", 2)[-2:] for path in first.paths] == [[f"contributor={first.contributor}", "part-0.parquet"]]
    assert found.gain.value == pytest.approx(found.predicted.value - found.of_all_alike.value)
    assert found.gain.low is not None
    by_tokens = recipe_of(run, "tokens", 200)
    assert sum(one.tokens or 0 for one in by_tokens.ingredients) == pytest.approx(200, abs=len(by_tokens.ingredients))


def test_the_command_prints_and_writes_it(run: StoredRun, tmp_path: Path) -> None:
    said = invoke("recipe", run.folder.url, "--rows", "40", "--to", tmp_path / "recipe.yaml")
    assert said.exit_code == 0, said.output
    assert "Draws 40 of 40 rows. Predicted value:" in said.stdout
    document = json.loads(invoke("recipe", run.folder.url, "--rows", "40", "--to", tmp_path / "r.json", "--json").stdout)
    assert yaml.safe_load((tmp_path / "recipe.yaml").read_text()) == document == json.loads((tmp_path / "r.json").read_text())


def test_what_has_no_recipe_is_refused(run: StoredRun, tmp_path: Path) -> None:
    for arguments in ((), ("--rows", "4", "--tokens", "4"), ("--rows", "4", "--to", tmp_path / "recipe.txt"), ("--rows", "0")):
        assert invoke("recipe", run.folder.url, *arguments).exit_code == 2
    with pytest.raises(ConfigError, match="above 0"):
        recipe_of(run, "rows", 4, most_repeats=0)
