"""What a run of the gate says of what lies in its way: each names what was expected, what came, where, and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from mixval.contracts.gate_run import GateRunSummary
from mixval.errors import ChangedFileError, StorageError
from mixval.publish.writers.gate_results import DOCS
from mixval.stages.account import Account
from mixval.stages.gate_publishing import publish_gate
from mixval.stages.in_process import InProcess
from mixval.stages.ingesting import GateRun, idle_run, run_gate
from mixval.stages.quarantine import decision_on, rule_on
from mixval.storage.root import open_location
from tests.gate_world import GateWorld, parquet, rows, settling_of, table

ALL_ENTER = {"rules": [{"name": "all", "quantity": "rows", "above": 0, "then": "accept"}]}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[GateWorld, GateRunSummary]:
    """A gate in front of a table that holds half of T; a delivery has a further column, one no origin, one a good half."""
    world = GateWorld(
        tmp_path_factory.mktemp("messages"), {"gate": {"data_docs": True, "max_duplicate_share": 0.5}, "policy": ALL_ENTER}
    )
    write_deltalake(str(world.root / "table"), table(rows(30, start=0) + rows(60, start=3_000)))
    world.deliver("ash/wider.parquet", parquet(pa.Table.from_pylist([{**row, "note": "n"} for row in rows(20, start=5_000)])))
    bare = [{"text": row["text"], "label": row["label"]} for row in rows(20, start=6_000)]
    world.deliver("ash/bare.parquet", parquet(pa.Table.from_pylist(bare)))
    world.deliver("ash/twice.jsonl", [*rows(20, start=8_000), *rows(5, start=8_000)])
    world.deliver("contributor=%ff/a.parquet", rows(20, start=7_000))
    return world, publish_gate(run_gate(world.config(), InProcess(), Account()))


def sentence(summary: GateRunSummary, name: str) -> str:
    return next(one.decision.sentence for one in summary.deliveries if one.decision.name == name)


def test_rows_of_the_target_that_the_table_holds_are_told(found: tuple[GateWorld, GateRunSummary]) -> None:
    [words] = [words for words in found[1].findings if "target set" in words]
    assert "30 of the 90 rows of the table's file" in words
    assert "Remove them" in words


def test_a_column_that_the_table_lacks_is_named_with_what_to_do(found: tuple[GateWorld, GateRunSummary]) -> None:
    assert "no column 'note'. Deliver it without, or set `policy.schema_change: widen`." in sentence(
        found[1], "ash/wider.parquet"
    )


def test_the_row_gate_speaks_of_deliveries_and_of_keys_that_a_gate_has(found: tuple[GateWorld, GateRunSummary]) -> None:
    words = sentence(found[1], "ash/bare.parquet")
    assert "delivery 'ash/bare.parquet'" in words
    assert "`origin: real`" in words
    assert "source." not in words
    assert "contributor '" not in words


def test_rows_that_a_delivery_repeats_are_counted(found: tuple[GateWorld, GateRunSummary]) -> None:
    [twice] = [one.decision.measured for one in found[1].deliveries if one.decision.name == "ash/twice.jsonl"]
    assert (twice.quantities["duplicate-share"].value, twice.n_rows) == (5 / 25, 20)


def test_a_folder_whose_escapes_are_no_text_names_nobody(found: tuple[GateWorld, GateRunSummary]) -> None:
    assert "no UTF-8. Rename the folder" in found[1].ignored["contributor=%ff/a.parquet"]


def test_what_rows_were_checked_for_lies_in_the_runs_folder(found: tuple[GateWorld, GateRunSummary]) -> None:
    folder = open_location(found[1].url)
    pages = [file.relative_name(folder) for file in folder.child(DOCS).files(".html")]
    assert len(pages) == 4  # the index, and a page each of what could be read or not
    report = folder.child("report.html").read_bytes().decode()
    assert all(f'href="{page}"' in report for page in pages if not page.endswith("index.html"))


def test_a_file_in_the_place_of_a_table_is_told(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    (tmp_path / "table").write_text("not a table")
    with pytest.raises(StorageError, match="expected the folder of a Delta table, found a file"):
        idle_run(world.config())


def test_a_bucket_in_which_nothing_lies_may_be_misspelt(tmp_path: Path) -> None:
    config = GateWorld(tmp_path).config(inbox="memory://nowhere/inbox")
    open_location("memory://nowhere").child("inbox").filesystem().mkdirs("/nowhere/inbox", exist_ok=True)
    run = idle_run(config)
    assert isinstance(run, GateRun)
    assert any("misspelt" in words for words in publish_gate(run).findings)


def test_what_was_accepted_and_cannot_be_appended_is_no_success(tmp_path: Path) -> None:
    """The table cannot be made at its place. The first run ends with that; no later one may say that all went well."""
    world = GateWorld(tmp_path, {"policy": ALL_ENTER})
    config = world.config()
    world.deliver("ash/good.parquet", rows(20, start=1_000))
    in_the_way = tmp_path / "table"
    settling = settling_of(config, "ash/good.parquet")
    in_the_way.symlink_to("/sys/kernel/no-table")  # where nobody may make a folder
    with pytest.raises(StorageError):
        settling.settle(settling.valued.deliveries[0])
    summary = publish_gate(run_gate(config, InProcess(), Account()))
    assert (summary.exit_code, summary.n_appended, summary.deliveries) == (3, 0, [])
    assert "accepted, and could not be appended" in summary.failed["ash/good.parquet"]
    in_the_way.unlink()
    summary = publish_gate(run_gate(config, InProcess(), Account()))
    assert (summary.exit_code, summary.n_appended, summary.failed) == (0, 20, {})


def test_a_person_lets_nothing_into_another_table_and_nothing_in_that_is_gone(tmp_path: Path) -> None:
    world = GateWorld(tmp_path)
    config = world.config()
    world.deliver("ash/good.parquet", rows(80, start=1_000))
    world.deliver("fir/few.parquet", rows(20, start=4_000))
    run_gate(config, InProcess(), Account())
    (tmp_path / "table").rename(tmp_path / "elsewhere")
    write_deltalake(str(tmp_path / "table"), table(rows(30, start=3_000)))
    with pytest.raises(StorageError, match="Put that table back"):
        rule_on(config, "fir/few.parquet", "accept", "needed", InProcess())
    shutil.rmtree(tmp_path / "table")
    (tmp_path / "elsewhere").rename(tmp_path / "table")
    shutil.rmtree(tmp_path / "state" / "staging")
    with pytest.raises(ChangedFileError, match="Deliver the file again"):
        rule_on(config, "fir/few.parquet", "accept", "needed", InProcess())
    assert decision_on(config, "fir/few.parquet").action == "quarantine"  # nothing was written down
