"""The torture in small: files mutated in every way beside an honest contributor, and whether what must not be would be seen."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from benchmarks.torture import scenes
from benchmarks.torture.mutated import Harness, spoiled
from benchmarks.torture.mutations import MUTATIONS, Shard
from benchmarks.torture.scenes import Scene
from benchmarks.torture.seeds import TASKS, rows, seed, table
from benchmarks.torture.thrift import Walk, unsigned, written
from mixval.config.valuation import ValuationConfig
from mixval.stages import gating
from mixval.stages.runs import ValuedRun

TASK = "text-classification"


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    return Harness(tmp_path_factory.mktemp("mutated"), given=0, tasks=[TASK])


def test_whatever_is_mutated_is_a_verdict_and_nobody_elses_problem(harness: Harness) -> None:
    harness.run(n_files := 2 * len(MUTATIONS), until=float("inf"))
    assert harness.escapes == []
    assert harness.n_files == n_files
    assert sum(harness.verdicts.values()) == n_files + 2  # two runs, an honest contributor in each
    assert harness.verdicts["rejected"] >= len(MUTATIONS)


def run_badly(folder: Path, config: ValuationConfig, said: IO[str]) -> ValuedRun:
    """A run that ends, raises, or changes the honest contributor, as the name of a contributor says."""
    names = {path.name.removeprefix("contributor=") for path in (folder / "source").iterdir()}
    if "ends" in names:
        os.abort()
    gate = gating.gate_contributor

    def gated(config, contributor, target):
        if contributor.name == "raises":
            raise KeyError("id")
        return gate(config, contributor, target)

    gating.gate_contributor = gated
    run = scenes.run_stages(folder, config, said)
    if "changes" in names:
        run.outcomes["honest"] = run.outcomes["honest"].model_copy(update={"n_rows": 1})
    return run


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    return Scene(tmp_path_factory.mktemp("bad"), TASK, run_badly)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ends", "the process ended with SIGABRT"),
        ("raises", "raises fails by 'KeyError"),
        ("changes", "the honest contributor has other figures"),
        ("nothing", None),
    ],
)
def test_an_escape_is_seen(bad: Scene, name: str, words: str | None) -> None:
    shard = seed(TASK, random.Random(3))
    escapes = bad.beside({name: shard}).escapes
    assert [one[: len(words)] for one in escapes] == [words] if words else escapes == []


@pytest.mark.parametrize("task", TASKS)
def test_a_shard_is_mutated_the_same_for_the_same_seed_and_is_another_one(task: str) -> None:
    files = [spoiled(task, number, 1) for number in range(len(MUTATIONS))]
    assert files == [spoiled(task, number, 1) for number in range(len(MUTATIONS))]
    assert {name.partition("-")[2] for name, _ in files} == set(MUTATIONS)
    assert len({data for _, data in files}) == len(files)


@pytest.mark.parametrize("task", TASKS)
def test_a_footer_is_walked_to_its_end(task: str) -> None:
    draw = random.Random(0)
    for _ in range(10):
        shard = Shard(seed(task, draw))
        assert Walk(shard.footer).at == len(shard.footer)
        columns = len(table(rows(task, 8, 0)).column_names)
        assert len(shard.page_headers()) >= columns
        numbers = [place for place in shard.places if place.path == (3,)]
        assert len(numbers) == 1


@pytest.mark.parametrize("value", [0, 1, -1, 63, 64, 300, 2**31, 2**63 - 1, -(2**63)])
def test_numbers_are_written_as_they_are_read(value: int) -> None:
    zigzag = written(value)
    assert len(zigzag) <= 10
    read = sum((byte & 127) << 7 * at for at, byte in enumerate(zigzag))
    assert (read >> 1) ^ -(read & 1) == value
    assert len(unsigned(5, 3)) == 3
