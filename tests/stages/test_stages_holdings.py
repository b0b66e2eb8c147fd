"""What a table holds as sums: by addition as from scratch, by shard after rows went, and never from what was not measured."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from mixval.errors import ContractError
from mixval.stages import held_batches, holdings
from mixval.stages.drift import drift_of
from mixval.stages.held_batches import stored_batch
from mixval.stages.holdings import Holdings
from mixval.valuation.held_rows import HeldShare
from tests.stages.planted_lake import Lake, measured_lake
from tests.worlds import World, rows

TASK = "text-classification"
VALUATION: dict[str, Any] = {
    "ntk": {"sketch_features": 64},
    "discrepancy": {"frequencies": 16},
    "value": {"replicates": 8, "replicate_rows": 30},
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    root = tmp_path_factory.mktemp("lake")
    world = World(root, TASK)
    given = {
        "ash": rows(TASK, 24, 100),
        "beech": rows(TASK, 12, 200) + rows(TASK, 16, 300, is_near=False, origin="synthetic"),
        "cedar": rows(TASK, 20, 400, is_near=False, origin="synthetic"),
        "dogwood": [*rows(TASK, 11, 500), {"text": "no label", "label": None, "origin": "real"}, *rows(TASK, 13, 511)],
    }
    tables = {name: pa.Table.from_pylist(content, schema=world.schema()) for name, content in given.items()}
    return measured_lake(root, TASK, tables, world.hold_out(rows(TASK, 30, 0)).parent, VALUATION, "ngrams")


@pytest.fixture
def lake(measured: Lake, tmp_path: Path) -> Lake:
    """The same with a table and a state of its own."""
    shutil.copytree(measured.root / "state", tmp_path / "state")
    config = measured.config.model_copy(update={"output": str(tmp_path / "state")})
    job = measured.prepared.target_job.model_copy(update={"output": str(tmp_path / "state")})
    profile = measured.prepared.target.model_copy(update={"root": job.store.output.url})
    return replace(measured, root=tmp_path, config=config, prepared=replace(measured.prepared, target_job=job, target=profile))


def same(found: Holdings, wanted: Holdings) -> None:
    """To the rounding of sums in another order."""
    assert found.parts.keys() == wanted.parts.keys()
    for part, one in found.parts.items():
        other = wanted.parts[part]
        assert (one.admitted, one.measured) == (other.admitted, other.measured)
        np.testing.assert_allclose(one.gram, other.gram, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one.cross, other.cross, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(one.keys, other.keys)
        np.testing.assert_allclose(one.features, other.features, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(found.rows.keys, wanted.rows.keys)


def summed(lake: Lake, *names: str) -> Holdings:
    """From the batches alone."""
    found = Holdings(0)
    for name in names:
        found = found.with_batch(lake.batches[name])
    return found


def test_versions_are_summed_by_addition(lake: Lake) -> None:
    assert lake.holdings(None).n_rows == 0
    same(lake.holdings(lake.append("ash")), summed(lake, "ash"))
    version = lake.append("beech", "cedar")
    # What is added are the two deliveries' statistics: whoever opened a file of the table, or what ash brought, would fail.
    for file in lake.folder.glob("*.parquet"):
        file.write_bytes(b"")
    target = lake.prepared.target_job
    target.store.discard(held_batches.batch_ref(target, lake.config.sample, "digest-ash"))
    found = lake.holdings(version)
    same(found, summed(lake, "cedar", "ash", "beech"))
    assert (found.version, found.n_rows, found.notes) == (version, 72, ())
    assert found.recent == {name: [f"digest-{name}"] for name in ("ash", "beech", "cedar")}
    same(lake.holdings(version), found)


def test_rows_that_the_gate_leaves_out_count_nowhere(lake: Lake) -> None:
    batch, admitted = lake.batches["dogwood"], lake.deliveries["dogwood"].filter(pc.is_valid(pc.field("label")))
    assert (batch.n_rows, len(batch.rows.keys)) == (24, 24)
    found = lake.holdings(lake.append_rows("digest-dogwood", admitted))
    assert found.rows.share_of(batch.kept["real"], 0.95) == HeldShare(1, 1, 1, 24)
    # Its rows as somebody else's file are the same rows.
    alone = lake.holdings(lake.append_foreign(admitted))
    np.testing.assert_array_equal(alone.rows.keys, found.rows.keys)
    assert alone.n_rows == 48


def test_what_somebody_else_appends_is_measured_alone(lake: Lake) -> None:
    lake.holdings(lake.append("ash"))
    found = lake.holdings(lake.append_foreign(lake.deliveries["cedar"]))
    same(found, summed(lake, "ash", "cedar"))
    assert list(found.recent) == ["ash"]  # whose the file is, nobody knows
    [path] = [file.path for file in lake.table.files(lake.version) if file.delivery is None]
    assert stored_batch(lake.prepared.target_job, lake.config.sample, path) is not None
    unlabelled = lake.deliveries["cedar"].set_column(1, "label", pa.nulls(20, pa.int64()))
    same(lake.holdings(lake.append_foreign(unlabelled)), found)  # rows that the gate would leave out count nowhere


def test_a_file_that_is_not_of_the_row_contract_is_named(lake: Lake) -> None:
    lake.holdings(lake.append("ash"))
    lake.append_foreign(lake.deliveries["cedar"])
    [path] = [file.path for file in lake.table.files(lake.version) if file.delivery is None]
    pq.write_table(lake.deliveries["cedar"].drop_columns(["label"]), lake.folder / path)
    with pytest.raises(ContractError, match=r"was not written by this gate.*label"):
        lake.holdings(lake.version)


def test_a_delivery_of_which_other_rows_are_there_is_measured_from_the_table(lake: Lake) -> None:
    """The digest in the table's file is a name: without the delivery's rows it stands for nothing."""
    found = lake.holdings(lake.append_rows("digest-cedar", lake.deliveries["cedar"].slice(0, 10)))
    assert found.n_rows == 10


def test_other_files_with_the_same_rows_change_nothing(lake: Lake) -> None:
    before = lake.holdings(lake.append("ash", "beech"))
    DeltaTable(lake.folder).optimize.compact()
    assert len(lake.table.files(lake.version)) == 1
    after = lake.holdings(lake.version)
    same(after, before)
    assert (after.version, after.notes) == (before.version + 1, ())


def test_when_rows_go_everything_is_added_anew_and_said(lake: Lake) -> None:
    full = lake.append("ash", "beech", "cedar")
    lake.holdings(full)
    handle = DeltaTable(lake.folder)
    handle.delete("_mixval_delivery = 'digest-beech'")
    without = lake.holdings(lake.version)
    same(without, summed(lake, "ash", "cedar"))
    [note] = without.notes
    assert note == (
        f"The holdings of version {full + 1} were summed anew from its 2 files, since version {full + 1} took rows away, or "
        "restored an older version."
    )
    # Of a delivery some rows went: its file was rewritten, and the rest is measured.
    last = lake.deliveries["cedar"]["text"].to_pylist()[-1].replace("'", "''")
    handle.delete(f"text = '{last}'")
    assert lake.holdings(lake.version).n_rows == 43
    handle.restore(full)
    restored = lake.holdings(lake.version)
    same(restored, summed(lake, "ash", "beech", "cedar"))
    assert len(restored.notes) == 1


def test_a_log_that_was_cleared_away_is_no_loss(lake: Lake) -> None:
    lake.holdings(lake.append("ash"))
    version = lake.append("beech", "cedar")
    DeltaTable(lake.folder).create_checkpoint()
    for entry in sorted((lake.folder / "_delta_log").glob("*.json"))[:-1]:
        entry.unlink()
    found = lake.holdings(version)
    same(found, summed(lake, "ash", "beech", "cedar"))
    assert "no longer says" in found.notes[0]


def test_drift_is_from_what_the_contributor_delivered_before(lake: Lake) -> None:
    held, target = lake.holdings(lake.append("ash", "beech")), lake.prepared.target_job
    near, far = (replace(lake.batches[name], contributor="ash") for name in ("dogwood", "cedar"))
    of_near, of_far = (drift_of(held, one, target, lake.config.sample).value for one in (near, far))
    assert of_near is not None
    assert of_far is not None
    assert abs(of_near) < 3
    assert of_far > 10
    stranger = drift_of(held, lake.batches["cedar"], target, lake.config.sample)
    assert (stranger.value, stranger.why_unknown) == (None, "nothing that this contributor delivered before is held")
    # A batch is not compared with itself.
    assert drift_of(held, lake.batches["ash"], target, lake.config.sample).value is None


def test_a_contributors_last_batches_are_remembered(lake: Lake) -> None:
    found = Holdings(0)
    for place in range(holdings.REMEMBERED + 2):
        found = found.with_batch(replace(lake.batches["ash"], name=f"d{place}"))
    assert found.recent == {"ash": [f"d{place}" for place in range(2, holdings.REMEMBERED + 2)]}


def test_lost_sums_are_made_again(lake: Lake) -> None:
    version = lake.append("ash", "beech")
    wanted = lake.holdings(version)
    for kind in ("holdings", "held-batch"):
        for file in (lake.root / "state" / "artifacts" / kind).rglob("*.safetensors"):
            file.write_bytes(b"\0" * file.stat().st_size)
    found = lake.holdings(version)
    same(found, wanted)


def test_sums_of_two_versions_stay(lake: Lake) -> None:
    versions = [lake.append(name) for name in ("ash", "beech", "cedar")]
    for version in versions:
        lake.holdings(version)
    kept = list((lake.root / "state" / "artifacts" / "holdings").rglob("record.json"))
    assert len(kept) == 2
    same(lake.holdings(versions[0]), summed(lake, "ash"))  # any other is made again


def test_a_run_that_appends_many_versions_discards_what_came_before_as_well(lake: Lake) -> None:
    """However many versions lie between: of each two neighbours alone, nothing here is appended or summed."""
    kept, target = holdings.keep_holdings, lake.prepared.target_job
    for version in (0, 1000, 2000):
        kept(lake.config, lake.prepared, lake.table, replace(summed(lake, "ash"), version=version))
    assert sorted(one.inputs["version"] for one in target.store.records(holdings.KIND)) == [1000, 2000]
