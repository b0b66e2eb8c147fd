"""The gate as a flow: on the cluster, twice, with the outcomes that were planted; and beside deliveries that end workers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import deltalake
import pytest

from mixval.config.ingestion import IngestionConfig
from mixval.contracts.gate_run import GateRunSummary
from mixval_flows.ingestion import ingestion
from mixval_flows.runner import LazyCluster
from mixval_tasks.cluster import use_cluster
from tests.gate_world import planted, rows

DECIDED = {
    "ash/good.parquet": "accept",
    "beech/copy.jsonl": "quarantine",
    "cedar/wrong.parquet": "reject",
    "elm/cut.parquet": "reject",
    "fir/few.parquet": "quarantine",
}


@dataclass(frozen=True)
class Nights:
    """Two runs of the flow over one inbox; a good delivery came in between."""

    config: IngestionConfig
    first: GateRunSummary
    second: GateRunSummary


@pytest.fixture(scope="module")
def nights(cluster: LazyCluster, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """The planted deliveries, decided on the shared cluster; and the night after."""
    world = planted(tmp_path_factory.mktemp("nights"))
    config = world.config()
    with use_cluster(cluster):
        first = ingestion(config)
        world.deliver("ash/later.parquet", rows(80, start=1_040))
        second = ingestion(config)
    return Nights(config, first, second)


def actions(summary: GateRunSummary) -> dict[str, str]:
    """Delivery -> what becomes of it."""
    return {one.decision.name: one.action for one in summary.deliveries}


def test_planted_deliveries_are_decided_on_the_cluster_as_planted(nights: Nights) -> None:
    assert actions(nights.first) == DECIDED
    assert (nights.first.exit_code, nights.first.failed, nights.first.n_appended) == (3, {}, 80)


def test_half_a_delivery_that_the_table_holds_already_counts_by_its_other_half(nights: Nights) -> None:
    later = {one.decision.name: one.decision for one in nights.second.deliveries}["ash/later.parquet"]
    assert later.measured.quantities["overlap-share"].value == 0.5
    assert later.measured.quantities["drift"].value is not None  # something of `ash` is held by then


def test_what_stood_stands_and_no_row_is_in_the_table_twice(nights: Nights) -> None:
    assert {name: action for name, action in actions(nights.second).items() if name in DECIDED} == DECIDED
    texts = deltalake.DeltaTable(nights.config.table).to_pyarrow_table()["text"].to_pylist()
    assert len(texts) == len(set(texts)) + (40 if nights.second.n_appended else 0)
    assert {row["text"] for row in rows(80, start=1_000)} <= set(texts)


def test_each_night_leaves_its_report(nights: Nights) -> None:
    for summary in (nights.first, nights.second):
        folder = Path(summary.url.removeprefix("file://"))
        assert (folder / "report.html").read_text().count("<svg") == 2
        assert (folder / "manifest.json").exists()
