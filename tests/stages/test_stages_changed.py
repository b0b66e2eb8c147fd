"""Files that change between and within the stages of a run: who is concerned fails by name, and nothing false is committed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from benchmarks.torture.changed_inputs import Scene
from mixval.errors import ChangedFileError
from mixval.stages.in_process import gate_prepared, prepare_here, value_gated
from tests.worlds import planted


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scene]:
    return cache(lambda route: Scene(tmp_path_factory.mktemp(route), route))


@pytest.mark.parametrize(
    ("route", "moment", "changes"),
    [
        ("exact", "after the plan", {"near": "exchanged", "close": "kept_in_size_and_time", "far": "removed"}),
        ("sketched", "after the gate", {"near": "kept_in_size_and_time", "mixed": "cut", "far": "rewritten"}),
    ],
)
def test_who_changed_fails_by_name_and_is_measured_anew_when_put_back(
    scene: Callable[[str], Scene], route: str, moment: str, changes: dict[str, str]
) -> None:
    assert scene(route).disturbed(moment, changes) == (set(changes), [])


def test_a_target_that_changes_measures_nobody(tmp_path: Path) -> None:
    world = planted(tmp_path, "language-modelling")
    config, file = world.config(), world.root / "target" / "part-0.parquet"
    run = gate_prepared(config, prepare_here(config))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"x")
    with pytest.raises(ChangedFileError, match="as it was listed"):
        value_gated(run)
    assert not (world.output / "artifacts" / "terms").exists()
    file.write_bytes(whole)
    assert len(value_gated(run).values) == 3
