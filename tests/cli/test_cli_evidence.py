"""`mixval evidence`: rankings held against the truth that a calibration trained, and shown again from what is stored."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import Result

from mixval.evidence.calibrating import train_here, training
from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.own_data import budget_of
from mixval.evidence.results import WorldResult, read_results
from mixval.storage.listing import list_inputs
from mixval.storage.root import open_location
from tests.cli.command_line import invoke
from tests.worlds import World, planted, rows

TASK = "language-modelling"
RECIPE = {"learning_rate": 0.02, "batch_rows": 16, "min_steps": 8, "max_steps": 8, "min_validation_rows": 50}
METHODS = "size,word-similarity,mmd,eq8-fitted"
RANKED = {"size", "word-similarity", "loss", "mmd", "ntk-term", "composition", "eq8-fitted", "ntk-regression"}


@dataclass(frozen=True)
class RankedWorld:
    world: World
    config: Path
    said: Result

    @property
    def results(self) -> list[WorldResult]:
        return read_results(open_location(str(self.world.output / "evidence")))


def world_in(folder: Path) -> World:
    """Six contributors and `late`; test rows that are drawn like T."""
    world = planted(folder, TASK, ntk={"sample": {"count": 12}, "sketch_features": 256})
    for start, name, n in ((20_000, "wide", 50), (30_000, "more", 40), (70_000, "late", 20)):
        world.contribute(name, rows(TASK, n, start=start))
    world.contribute("odd", rows(TASK, 20, start=40_000, is_near=False, origin="synthetic"))
    (folder / "test").mkdir()
    pq.write_table(
        pa.Table.from_pylist(rows(TASK, 40, start=50_000), schema=world.schema()), folder / "test" / "part-0.parquet"
    )
    return world


def configured(world: World, name: str = "speech", **changes: Any) -> Path:
    given = world.as_dict(**{"test": str(world.root / "test"), "recipe": RECIPE, "seeds": 2} | changes)
    file = world.root / f"{name}.yaml"
    file.write_text(yaml.safe_dump(given))
    return file


def train(world: World, file: Path, names: set[str]) -> None:
    """What `mixval calibrate` trains, in this process."""
    config = CalibrationConfig.model_validate(yaml.safe_load(file.read_text()))
    listed, _ = list_inputs(config.source)
    for name in sorted(names):
        for seed in range(config.seeds):
            train_here(training(config, name, listed[name], None, seed))


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> RankedWorld:
    world = world_in(tmp_path_factory.mktemp("evidence"))
    file = configured(world)
    train(world, file, {"near", "mixed", "far", "wide", "more", "odd"})
    return RankedWorld(world, file, invoke("evidence", file, "--methods", METHODS))


def scored(world: World) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (world.output / "artifacts" / "scores").rglob("record.json")}


def test_the_table_the_page_and_who_was_left_out(ranked: RankedWorld) -> None:
    assert ranked.said.exit_code == 0, ranked.said.output
    head, *lines = ranked.said.stdout.splitlines()
    assert head.split()[:2] == ["method", "speech"]
    assert {line.split()[0] for line in lines[: len(RANKED)]} == RANKED
    assert "speech: left out, no training result: late" in lines
    assert "speech: eq8-fitted: weights of each fold of contributors fitted to the others" in lines
    page = ranked.world.output / "evidence" / "speech" / "evidence.html"
    assert lines[-1] == f"Page: file://{page}"
    text = page.read_text()
    assert all(f"<bdi>{method}</bdi>" in text for method in RANKED)
    assert "Left out, without a training result: late." in text
    assert "mixval evidence speech.yaml" in text
    assert 'class="n">Mean</th>' not in text  # of one world there is none


def test_progress_goes_method_by_method(ranked: RankedWorld) -> None:
    lines = ranked.said.stderr.splitlines()
    n = len(RANKED) - 1  # eq8-fitted is made of the others
    assert any(f"ranking {n}/{n}: " in line for line in lines)
    assert any("ranking 1/7: size: Spearman" in line for line in lines), lines
    assert lines[-1].endswith(f"ranking done: {n} methods, 0 could not run")


def test_what_is_stored_are_truth_scores_and_what_was_seen(ranked: RankedWorld) -> None:
    [result] = ranked.results
    assert result.names == ["far", "mixed", "more", "near", "odd", "wide"]
    assert all(len(seeds) == 2 for seeds in result.truth.values())
    size = dict(zip(result.names, result.scores_of("size"), strict=True))
    assert size == {"far": 12, "mixed": 36, "more": 40, "near": 60, "odd": 20, "wide": 50}
    assert len(set(result.rows.values())) == 6
    assert result.without_truth == ["late"]
    truth = {name: np.mean(seeds) for name, seeds in result.truth.items()}
    assert min(truth[name] for name in ("near", "wide", "more")) > max(truth[name] for name in ("far", "odd"))


def test_a_second_run_scores_nothing_again_and_says_the_same(ranked: RankedWorld) -> None:
    before = scored(ranked.world)
    assert len(before) == len(RANKED) - 1
    again = invoke("evidence", ranked.config, "--methods", METHODS)
    assert again.stdout == ranked.said.stdout
    assert scored(ranked.world) == before
    shorter = invoke("evidence", ranked.config, "--methods", METHODS, "--ours", "size", "--json")
    assert json.loads(shorter.stdout)["comparison"]["ours"] == "size"
    assert scored(ranked.world) == before
    invoke("evidence", ranked.config, "--methods", METHODS)


def test_stored_results_alone_are_enough(ranked: RankedWorld, tmp_path: Path) -> None:
    kept = shutil.copytree(ranked.world.output / "evidence", tmp_path / "root" / "evidence")
    other = ranked.results[0].model_dump() | {"world": "other", "rows": {}}
    other["truth"] = {name: [-value for value in seeds] for name, seeds in other["truth"].items()}
    for one in other["methods"]:
        one["world"] = "other"
    (tmp_path / "more" / "other").mkdir(parents=True)
    (tmp_path / "more" / "other" / "results.json").write_text(WorldResult.model_validate(other).model_dump_json())
    page = kept / "speech" / "evidence.html"
    page.unlink()
    alone = invoke("evidence", "--results", tmp_path / "root")
    assert alone.exit_code == 0, alone.output
    assert alone.stdout.replace(str(kept), "").splitlines()[:-1] == ranked.said.stdout.splitlines()[:-1]
    assert (kept / "evidence.html").exists()
    both = invoke("evidence", "--results", kept, "--results", tmp_path / "more", "--json")
    document = json.loads(both.stdout)
    assert document["comparison"]["worlds"] == ["speech", "other"]
    assert document["page"] == f"file://{kept}/evidence.html"
    assert document["without_truth"]["speech"] == ["late"]
    twice = invoke("evidence", "--results", kept, "--results", kept)
    assert twice.exit_code == 4
    assert "each world once" in twice.stderr


def test_a_missing_library_is_named_with_what_to_install(ranked: RankedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ranked.world.output / "artifacts" / "truth", ranked.world.root / "bare" / "artifacts" / "truth")
    file = configured(ranked.world, "bare", output=str(ranked.world.root / "bare"))
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    said = invoke("evidence", file, "--methods", "size,word-similarity", "--ours", "size")
    assert said.exit_code == 0, said.output
    [line] = [line for line in said.stdout.splitlines() if "could not run" in line]
    assert line.startswith("bare: word-similarity could not run: expected the library 'sklearn'")
    assert "[evidence]'`, or leave the method out" in line


def test_without_truth_the_command_names_the_one_that_trains_it(ranked: RankedWorld, tmp_path: Path) -> None:
    world = world_in(tmp_path)
    file = configured(world)
    said = invoke("evidence", file)
    assert said.exit_code == 2
    assert "found it for 0 of 7. Run `mixval calibrate` on this configuration first" in said.stderr
    more_seeds = configured(ranked.world, "three", seeds=3)
    assert "at 3 seed(s), found it for 0 of 7" in invoke("evidence", more_seeds).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "expected either a configuration"),
        (("--results", "x", "--methods", "size"), "expected either a configuration"),
        (("CONFIG", "--results", "x"), "Give exactly one of the two"),
        (("CONFIG", "--methods", "magic"), "expected a ranking method, one of random"),
        (("CONFIG", "--ours", "knn"), "--ours: expected a method for the task 'language-modelling', found 'knn'"),
    ],
)
def test_misuse_is_told(ranked: RankedWorld, arguments: tuple[str, ...], words: str) -> None:
    said = invoke("evidence", *(str(ranked.config) if one == "CONFIG" else one for one in arguments))
    assert said.exit_code == 2, said.output
    assert words in " ".join(said.stderr.split())


def test_methods_are_sized_as_the_valuation_is(ranked: RankedWorld) -> None:
    given = yaml.safe_load(ranked.config.read_text())
    found = budget_of(CalibrationConfig.model_validate(given))
    assert (found.gram_rows, found.sketch_features, found.batch_rows) == (12, 256, 32)
    assert found.recipe.max_steps == RECIPE["max_steps"]
    of_head = CalibrationConfig.model_validate(given | {"recipe": RECIPE | {"trainable": "head"}})
    assert budget_of(of_head).recipe.trainable == "all"
