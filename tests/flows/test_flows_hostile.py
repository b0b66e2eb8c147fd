"""Contributors who lay out their files so as to end a run, beside honest ones, through the whole flow: nobody else notices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.torture.hostile import HOSTILE, Hostile, lay_out_hostile, lay_out_said_rows
from benchmarks.torture.world import CONTRIBUTORS, config_of, lay_out
from mixval.publish.stored_run import StoredRun, open_run
from mixval.storage.layout import safe_name
from tests.flows.conftest import Value

MEMORY = {"runtime": {"worker_memory_bytes": 2**31}, "sample": {"count": None}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, value: Value) -> tuple[StoredRun, StoredRun, list[Hostile]]:
    """The run of the honest alone, that with the hostile beside them, and who these are."""
    folder = tmp_path_factory.mktemp("hostile")
    lay_out(folder)
    alone = value(config_of(folder, folder / "alone", "exact", **HOSTILE, **MEMORY))
    hostile = [*lay_out_hostile(folder), lay_out_said_rows(folder, 40)]
    beside = value(config_of(folder, folder / "beside", "exact", **HOSTILE, **MEMORY))
    assert beside.n_planned == len(CONTRIBUTORS) + len(hostile)
    assert beside.n_ranked + beside.n_rejected + beside.n_failed == beside.n_planned
    return open_run(alone.url), open_run(beside.url), hostile


def test_the_honest_have_the_same_values_to_the_bit(runs: tuple[StoredRun, StoredRun, list[Hostile]]) -> None:
    alone, beside, _ = runs
    assert set(beside.ranking["contributor"].to_pylist()) == set(CONTRIBUTORS)
    assert beside.ranking.equals(alone.ranking)
    assert beside.terms.equals(alone.terms)


def test_each_ends_by_its_own_name_with_its_reason(runs: tuple[StoredRun, StoredRun, list[Hostile]]) -> None:
    _, run, hostile = runs
    ended = {one.contributor: one for one in run.manifest.outcomes}
    wrong = [
        (one, ended[one.name].verdict, ended[one.name].reason)
        for one in hostile
        if ended[one.name].verdict != one.state or one.words not in str(ended[one.name].reason)
    ]
    assert not wrong
    told = {row["contributor"]: row for row in run.rejected.to_pylist()}
    assert {one.name: one.state for one in hostile} == {name: row["verdict"] for name, row in told.items()}
    assert all(row["reason"] for row in told.values())


def test_what_is_published_of_them_can_be_read(runs: tuple[StoredRun, StoredRun, list[Hostile]]) -> None:
    _, run, hostile = runs
    folder = Path(run.folder.path)
    assert {one.name for one in hostile} <= set(json.loads((folder / "manifest.json").read_text())["inputs"])
    report, ranking = (folder / "report.html").read_text(), (folder / "ranking.md").read_text()
    for name in ("latin-file", "fifo", "said-rows"):
        assert name in report
        assert name in ranking
    assert all(safe_name(one.name).isascii() for one in hostile)
