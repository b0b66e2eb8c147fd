"""A finished run's artifacts, damaged: the next run says so, makes them again, and publishes the same ranking."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from benchmarks.torture.artifacts import Store, flip, other_artifact
from mixval.storage.records import RECORD


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Store]:
    return cache(lambda route: Store(tmp_path_factory.mktemp(route), route))


def test_a_bit_of_every_data_file_is_flipped(store: Callable[[str], Store]) -> None:
    route = "sketched"  # `benchmarks.torture.artifacts` spoils files of both routes
    spoiled = store(route).copied()
    files = [file for file in sorted((spoiled / "artifacts").rglob("*")) if file.is_file() and file.name != RECORD]
    for file in files:
        flip(file)
    for name, outcome in store(route).run(spoiled).items():
        assert (outcome.is_wrong, outcome.error) == (False, None), name
        assert outcome.is_told or name == "the same"  # what that one reads has been made again by the other


def test_every_artifact_is_another_one_of_its_kind(store: Callable[[str], Store]) -> None:
    route = "exact"
    spoiled = store(route).copied()
    for kind in sorted((spoiled / "artifacts").iterdir()):
        for record in sorted(kind.rglob(RECORD))[1:]:
            other_artifact(record)
    outcomes = store(route).run(spoiled)
    assert {name: (one.is_wrong, one.error) for name, one in outcomes.items()} == dict.fromkeys(outcomes, (False, None))
