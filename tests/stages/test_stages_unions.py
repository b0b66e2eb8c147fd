"""Unions of a stored run whose artifacts are damaged: no value, a reason, and the next run makes them again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.torture.artifacts import flip
from benchmarks.torture.world import config_of, lay_out
from mixval.config.valuation import ValuationConfig
from mixval.errors import StorageError
from mixval.publish.stored_run import StoredRun, open_run_at
from mixval.stages.coalition_value import coalition_value
from mixval.stages.whole_run import run_here
from mixval.storage.records import RECORD
from mixval.storage.root import open_location

UNION = ["near", "far"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    lay_out(folder)
    run_here(config_of(folder, folder / "out", "sketched"))
    return folder


@pytest.fixture
def copied(world: Path, tmp_path: Path) -> tuple[ValuationConfig, Path]:
    shutil.copytree(world / "out", tmp_path / "out")
    return config_of(world, tmp_path / "out", "sketched"), tmp_path / "out"


def stored(output: Path) -> StoredRun:
    return open_run_at(open_location(str(output)))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-9]),
    "removed": Path.unlink,
}


@pytest.mark.parametrize(
    ("kind", "damage"),
    [("statistics", "flipped"), ("statistics", "removed"), ("coalition-job", "cut")],
)
def test_a_union_of_damaged_statistics_has_no_value_until_they_are_made_again(
    copied: tuple[ValuationConfig, Path], kind: str, damage: str
) -> None:
    config, output = copied
    expected = coalition_value(stored(output), UNION)
    files = [file for file in (output / "artifacts" / kind).rglob("*") if file.is_file() and file.name != RECORD]
    assert files
    for file in files:
        DAMAGES[damage](file)
    for _ in range(2):  # what is damaged goes with the first look
        with pytest.raises(StorageError, match="`mixval value CONFIG`"):
            coalition_value(stored(output), UNION)
    again = run_here(config)
    assert not again.up_to_date
    assert coalition_value(stored(output), UNION) == expected
    assert run_here(config).up_to_date
