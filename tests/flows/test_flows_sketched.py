"""The flow from sufficient statistics: the planted order, values of coalitions, one new shard, and nothing again for another
weight rule."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mixval.config.valuation import ValuationConfig
from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.results import COALITIONS, REDUNDANCY
from mixval.contracts.run import RunSummary
from mixval.errors import ConfigError, StorageError
from mixval.publish.stored_run import StoredRun, open_run, rebuild_report
from mixval.stages.coalition_value import coalition_value
from tests.worlds import PLANTED, planted, rows

SKETCHED = {"ntk": {"method": "sketched", "sketch_features": 512}}


@pytest.mark.parametrize("task", ["image-classification", "language-modelling"])
def test_statistics_give_the_planted_order_and_coalition_values(
    task: str, tmp_path: Path, value: Callable[[ValuationConfig], RunSummary]
) -> None:
    world = planted(tmp_path, task, **SKETCHED)
    summary = value(world.config())
    run = open_run(summary.url)
    assert run.ranking["contributor"].to_pylist() == list(PLANTED)
    assert run.coalitions is not None
    assert run.redundancy is not None
    assert run.coalitions.schema.equals(COALITIONS, check_metadata=True)
    assert run.redundancy.schema.equals(REDUNDANCY, check_metadata=True)
    assert sorted(run.coalitions["contributor"].to_pylist()) == sorted(PLANTED)
    account = run.manifest.coalitions
    assert account is not None
    assert account.method == "exact"
    total = sum(run.coalitions["shapley"].to_pylist())
    assert total == _near(account.value_of_all - account.value_of_empty)
    assert "h-coalitions" in rebuild_report(run).read_bytes().decode()
    assert summary.recomputed["piece-statistics"] == 3
    assert "gram" not in summary.recomputed
    _any_coalition_has_its_value(run, account, tmp_path)


def test_a_new_shard_is_the_only_one_measured(tmp_path: Path, value: Callable[[ValuationConfig], RunSummary]) -> None:
    world = planted(tmp_path, "language-modelling", **SKETCHED)
    config = world.config()
    first = value(config)
    weighed = value(world.config(value={"weights": "scale-matched"}))
    assert sum(count for kind, count in weighed.recomputed.items() if kind != "coalitions") == 0
    world.contribute(PLANTED[0], rows("language-modelling", 12, start=7_000), shard="part-1.parquet")
    grown = value(config)
    assert grown.recomputed_contributors == [PLANTED[0]]
    assert grown.recomputed["piece-statistics"] == 1
    assert grown.reused["piece-statistics"] == 3
    assert first.recomputed["piece-statistics"] == 3


def _any_coalition_has_its_value(run: StoredRun, account: CoalitionAccount, tmp_path: Path) -> None:
    """From the stored statistics, at another place, and without the data."""
    moved = shutil.move(tmp_path / "out", tmp_path / "moved")
    shutil.rmtree(tmp_path / "source")
    run = open_run(str(moved))
    assert run.coalitions is not None
    of_all = coalition_value(run, PLANTED)
    assert of_all.value == _near(account.value_of_all)
    for row in run.coalitions.to_pylist():
        others = [name for name in PLANTED if name != row["contributor"]]
        assert coalition_value(run, others).value == _near(account.value_of_all - row["leave_one_out"])
        assert of_all.alone[row["contributor"]] == _near(row["alone"])
    assert of_all.n_rows == sum(run.ranking["n_rows"].to_pylist())
    with pytest.raises(ConfigError, match=r"found 'naer'\. Did you mean 'near'"):
        coalition_value(run, ["far", "naer"])
    shutil.rmtree(Path(moved) / "artifacts" / "piece-statistics")
    with pytest.raises(StorageError, match="the sufficient statistics of near and far are missing"):
        coalition_value(run, ["near", "far"])


def _near(number: float) -> object:
    return pytest.approx(number, rel=1e-6, abs=1e-9)
