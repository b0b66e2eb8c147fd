"""A Delta table that a delivery enters once: other writers between, restores, columns, and tables that are not held."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from mixval.errors import ConditionUnsupportedError, ConflictError, SchemaError, StorageError
from mixval.lake.columns import LINEAGE, lineage_schema, with_lineage
from mixval.lake.delta import open_table
from mixval.lake.table import CommitKey, LakeTable, RowSource

ROWS = pa.table({"text": ["a", "b", "c"], "label": [0, 1, 2]})
KEY = CommitKey("d" * 64, 0)


def source(rows: pa.Table = ROWS, key: CommitKey = KEY) -> RowSource:
    schema = lineage_schema(rows.schema)
    batches = rows.to_batches(max_chunksize=2)
    own = key.delivery, key.attempt, "alder"
    return lambda: pa.RecordBatchReader.from_batches(schema, with_lineage(batches, schema, own))


def foreign(table: LakeTable, n: int = 1) -> None:
    """Somebody else appends `n` times."""
    for _ in range(n):
        write_deltalake(path_of(table), pa.table({"text": ["x"], "label": [9]}), mode="append", schema_mode="merge")


def path_of(table: LakeTable) -> str:
    return table.url.removeprefix("file://")


def texts(table: LakeTable) -> list[str]:
    version = table.version()
    assert version is not None
    return sorted(text for batch in table.read(version, ["text"]) for text in batch.column(0).to_pylist())


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    """A table at version 1, with the rows of one delivery."""
    made = open_table(str(tmp_path / "table"))
    assert (made.version(), made.identity(), made.attempt(KEY.delivery)) == (None, None, None)
    made.create(lineage_schema(ROWS.schema))
    assert not made.append_once(KEY, source(), None).was_there
    return made


def test_rows_enter_once_with_their_key(table: LakeTable) -> None:
    again = table.append_once(KEY, source(), 0)
    assert (again.version, again.was_there) == (1, True)
    assert table.attempt(KEY.delivery) == 0
    assert table.rows_by_key(1) == {KEY: 3}
    [file] = table.files(1)
    assert (file.delivery, file.n_rows) == (KEY.delivery, 3)
    [batch] = pa.Table.from_batches(table.read(1)).combine_chunks().to_batches()
    assert batch.schema.names == [*LINEAGE.names, "text", "label"]
    assert set(batch.column("_mixval_contributor").to_pylist()) == {"alder"}
    assert texts(table) == ["a", "b", "c"]


def test_another_writer_between_is_a_conflict_and_nothing_is_written(table: LakeTable) -> None:
    other = CommitKey("e" * 64, 0)
    foreign(table, 2)
    files = set(Path(path_of(table)).rglob("*.parquet"))
    for ahead in (0, 1):
        with pytest.raises(ConflictError, match=r"version 1, .* at most . changes of rows since, found 2 up to version 3"):
            table.append_once(other, source(key=other), 1, ahead)
    assert table.version() == 3
    assert set(Path(path_of(table)).rglob("*.parquet")) == files
    assert table.append_once(other, source(key=other), 1, 2).version == 4


def meddled(rows: RowSource, meddle: Callable[[], object]) -> RowSource:
    """Rows that are opened once the table was looked at and found fit: then somebody comes between, once."""
    left = [meddle]

    def opened() -> pa.RecordBatchReader:
        if left:
            left.pop()()
        return rows()

    return opened


def test_a_writer_that_comes_between_the_last_look_and_the_commit_is_a_conflict(table: LakeTable) -> None:
    other = CommitKey("e" * 64, 0)
    with pytest.raises(ConflictError, match="found 1 up to version 2"):
        table.append_once(other, meddled(source(key=other), lambda: foreign(table)), 1)
    assert (table.version(), table.attempt(other.delivery)) == (2, None)
    appended = table.append_once(other, meddled(source(key=other), lambda: foreign(table)), 2, ahead=1)
    assert (appended.version, appended.was_there, table.rows_by_key(4)) == (4, False, {KEY: 3, other: 3})


@pytest.mark.parametrize("attempt", [0, 1])
def test_a_gate_that_comes_between_the_last_look_and_the_commit_is_found(table: LakeTable, attempt: int) -> None:
    mine, other = CommitKey("e" * 64, 0), CommitKey("e" * 64, attempt)
    rows = meddled(source(key=mine), lambda: table.append_once(other, source(key=other), 1))
    appended = table.append_once(mine, rows, 1, ahead=5)
    assert (appended.version, appended.was_there, table.rows_by_key(2)) == (2, True, {KEY: 3, other: 3})


def test_versions_that_change_no_rows_are_no_other_writer(table: LakeTable) -> None:
    foreign(table)
    assert table.widen(pa.schema([("note", pa.string())])) == 3
    DeltaTable(path_of(table)).optimize.compact()
    assert table.version() == 4
    assert (table.moved_since(2), table.moved_since(1), table.moved_since(None)) == (0, 1, 2)
    other = CommitKey("e" * 64, 0)
    assert table.append_once(other, source(key=other), 2).version == 5
    assert table.rows_by_key(5) == {KEY: 3, other: 3}


def test_a_table_that_is_younger_than_what_was_valued_is_another_one(table: LakeTable) -> None:
    other = CommitKey("e" * 64, 0)
    with pytest.raises(StorageError, match="expected version 7 of the table or a later one, found 1"):
        table.append_once(other, source(key=other), 7)


def test_another_attempt_does_not_double_rows_that_are_there(table: LakeTable) -> None:
    for attempt in (1, 5):
        key = CommitKey(KEY.delivery, attempt)
        assert table.append_once(key, source(key=key), 1).was_there
    assert table.rows_by_key(1) == {KEY: 3}


def test_restored_rows_come_in_again_as_another_attempt_alone(table: LakeTable) -> None:
    DeltaTable(path_of(table)).restore(0)
    assert table.version() == 2
    assert table.append_once(KEY, source(), 2).was_there
    assert table.rows_by_key(2) == {}
    second = CommitKey(KEY.delivery, 1)
    assert not table.append_once(second, source(key=second), 2).was_there
    DeltaTable(path_of(table)).restore(1)  # now those of the first attempt are there, under the transaction of the second
    third = CommitKey(KEY.delivery, 2)
    version = table.version()
    assert table.append_once(third, source(key=third), version).was_there
    assert table.rows_by_key(version) == {KEY: 3}


def test_rows_whose_transaction_is_lost_are_not_doubled(table: LakeTable) -> None:
    """A copy of the table by another writer keeps rows and drops transactions."""
    copy = open_table(path_of(table) + "-copy")
    write_deltalake(path_of(copy), DeltaTable(path_of(table)).to_pyarrow_table())
    assert copy.attempt(KEY.delivery) is None
    assert copy.append_once(KEY, source(), 0).was_there


def test_what_versions_changed(table: LakeTable) -> None:
    foreign(table)
    delta = DeltaTable(path_of(table))
    delta.delete("text = 'x'")
    delta.restore(2)
    changes = table.changes(-1, 4)
    assert changes is not None
    assert [(one.version, one.rearranges, len(one.added), len(one.removed)) for one in changes] == [
        (0, True, 0, 0),
        (1, False, 1, 0),
        (2, False, 1, 0),
        (3, False, 0, 1),
        (4, False, 1, 0),
    ]
    assert [one.delivery for change in changes for one in change.added] == [KEY.delivery, None, None]
    assert changes[3].removed == (changes[2].added[0].path,) == (changes[4].added[0].path,)


def test_a_log_that_was_cleared_away_no_longer_says_what_changed(table: LakeTable) -> None:
    foreign(table, 3)
    DeltaTable(path_of(table)).create_checkpoint()
    log = Path(path_of(table), "_delta_log")
    (log / f"{2:020d}.json").unlink()
    assert table.changes(1, 4) is None
    assert (table.moved_since(1), table.moved_since(3)) == (3, 1)
    assert table.attempt(KEY.delivery) == 0
    (log / f"{3:020d}.json").write_text("{")
    with pytest.raises(StorageError, match="log entry of version 3"):
        table.changes(2, 4)


def test_a_log_that_a_checkpoint_sums_up_says_the_same(table: LakeTable) -> None:
    """The table's own: it has one every twenty versions, so that appends do not read an ever longer log."""
    keys = [CommitKey(f"{at:064}", 0) for at in range(20)]
    for at, key in enumerate(keys, start=1):
        assert not table.append_once(key, source(key=key), at).was_there
    log = Path(path_of(table), "_delta_log")
    assert len(list(log.glob("*.checkpoint.parquet"))) == 1
    again = open_table(table.url)
    assert [one.append_once(key, source(key=key), 21).was_there for one in (table, again) for key in (KEY, keys[0], keys[-1])]
    assert table.rows_by_key(21) == again.rows_by_key(21) == dict.fromkeys([KEY, *keys], 3)


def test_a_table_without_statistics_is_counted_and_read(tmp_path: Path) -> None:
    rows = pa.table({**{name: [] for name in LINEAGE.names}, "text": []}, schema=lineage_schema(ROWS.schema.remove(1)))
    write_deltalake(str(tmp_path / "t"), rows, configuration={"delta.dataSkippingNumIndexedCols": "0"})
    table = open_table(str(tmp_path / "t"))
    table.append_once(KEY, source(ROWS.drop_columns("label")), 0)
    [file] = table.files(1)
    assert (file.n_rows, file.delivery) == (3, None)
    assert table.rows_by_key(1) == {KEY: 3}
    log = tmp_path / "t" / "_delta_log" / f"{1:020d}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        line.get("add", {}).pop("stats", None)
    log.write_text("\n".join(map(json.dumps, lines)))
    [file] = table.files(1)
    assert file.n_rows == 3
    [change] = table.changes(0, 1) or []
    assert change.added == (file,)


def test_columns_that_the_table_lacks_or_has_alone(table: LakeTable) -> None:
    narrow, wide = CommitKey("e" * 64, 0), CommitKey("f" * 64, 0)
    table.append_once(narrow, source(pa.table({"text": ["d"]}), narrow), 1)
    rows = pa.table({"text": ["e"], "label": [3], "origin": ["real"]})
    with pytest.raises(SchemaError, match="found also origin"):
        table.append_once(wide, source(rows, wide), 2)
    assert table.version() == 2
    assert table.widen(rows.schema) == 3
    assert table.widen(rows.schema) == 3
    table.append_once(wide, source(rows, wide), 3)
    assert texts(table) == ["a", "b", "c", "d", "e"]
    found = pa.Table.from_batches(table.read(4, ["text", "label", "origin"])).to_pylist()
    assert {"text": "d", "label": None, "origin": None} in found
    assert {"text": "e", "label": 3, "origin": "real"} in found


def test_a_value_that_does_not_fit_is_refused_by_its_column(table: LakeTable) -> None:
    other = CommitKey("e" * 64, 0)
    rows = pa.table({"text": ["d", "e", "f"], "label": pa.array([1, 2, 2**63], pa.uint64())})
    with pytest.raises(SchemaError, match="column 'label'"):
        table.append_once(other, source(rows, other), 1)
    assert table.version() == 1


def log_of(folder: Path, protocol: dict[str, Any], configuration: dict[str, str], field: dict[str, Any]) -> None:
    """The log of a table with one column, as another writer would have made it."""
    schema = {"type": "struct", "fields": [{"name": "text", "type": "string", "nullable": True, "metadata": field}]}
    meta = {
        "id": "m", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps(schema), "partitionColumns": [],
        "configuration": configuration, "createdTime": 0,
    }  # fmt: skip
    (folder / "_delta_log").mkdir(parents=True)
    lines = [{"protocol": protocol}, {"metaData": meta}]
    (folder / "_delta_log" / f"{0:020d}.json").write_text("\n".join(map(json.dumps, lines)))


PLAIN = {"minReaderVersion": 1, "minWriterVersion": 2}
MAPPED = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "c1"}


def features(name: str, is_read: bool = True) -> dict[str, Any]:
    found = {"minReaderVersion": 3 if is_read else 1, "minWriterVersion": 7, "writerFeatures": [name]}
    return found | ({"readerFeatures": [name]} if is_read else {})


@pytest.mark.parametrize(
    ("protocol", "configuration", "field", "named"),
    [
        (features("deletionVectors"), {"delta.enableDeletionVectors": "true"}, {}, "deletion vectors"),
        (features("deletionVectors"), {}, {}, "deletion vectors"),
        (features("columnMapping"), {"delta.columnMapping.mode": "name"}, MAPPED, "column mapping"),
        ({"minReaderVersion": 2, "minWriterVersion": 5}, {"delta.columnMapping.mode": "name"}, MAPPED, "column mapping"),
        (features("rowTracking", is_read=False), {}, {}, "row tracking"),
        (features("somethingNew"), {}, {}, "something new|somethingNew"),
        ({"minReaderVersion": 9, "minWriterVersion": 9}, {}, {}, "9"),
        (PLAIN | {"minWriterVersion": 4}, {}, {"delta.generationExpression": "'x'"}, "generated columns"),
    ],
)  # fmt: skip
def test_tables_that_are_not_held_are_refused_by_name(
    tmp_path: Path, protocol: dict[str, Any], configuration: dict[str, str], field: dict[str, Any], named: str
) -> None:
    log_of(tmp_path / "t", protocol, configuration, field)
    table = open_table(str(tmp_path / "t"))
    for looked in (table.version, table.identity, table.schema, lambda: table.append_once(KEY, source(), 0)):
        with pytest.raises(StorageError, match=named) as raised:
            looked()
        assert str(tmp_path / "t") in str(raised.value)
        assert "unknown>" not in str(raised.value)


def test_a_plain_log_of_another_writer_is_held(tmp_path: Path) -> None:
    log_of(tmp_path / "t", PLAIN, {}, {})
    table = open_table(str(tmp_path / "t"))
    assert (table.version(), table.identity(), table.schema().names) == (0, "m", ["text"])


def _stray(folder: Path) -> None:
    folder.mkdir()
    (folder / "rows.parquet").write_bytes(b"x")


def _broken_log(folder: Path) -> None:
    (folder / "_delta_log").mkdir(parents=True)
    (folder / "_delta_log" / f"{0:020d}.json").write_text("{broken")


def _cut_log(folder: Path) -> None:
    (folder / "_delta_log").mkdir(parents=True)
    (folder / "_delta_log" / f"{3:020d}.json").write_text("{}")


def _file(folder: Path) -> None:
    folder.write_bytes(b"x")


@pytest.mark.parametrize("make", [_stray, _broken_log, _cut_log, _file])
def test_what_is_no_table_is_refused_and_left_as_it_is(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "t")
    before = sorted(tmp_path.rglob("*"))
    table = open_table(str(tmp_path / "t"))
    for looked in (table.version, lambda: table.create(lineage_schema(ROWS.schema))):
        with pytest.raises(StorageError, match=str(tmp_path / "t")):
            looked()
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_becomes_a_table(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    table = open_table(str(tmp_path / "t"))
    table.create(lineage_schema(ROWS.schema))
    identity = table.identity()
    table.create(lineage_schema(ROWS.schema))
    assert (table.version(), table.identity()) == (0, identity)


@pytest.mark.parametrize("name", ["a b", "a#b?c", "ä+b", "a&b=c:d", "a~{b}"])
def test_a_table_lies_where_it_is_said_to(tmp_path: Path, name: str) -> None:
    table = open_table(str(tmp_path / name))
    table.create(lineage_schema(ROWS.schema))
    table.append_once(KEY, source(), 0)
    assert texts(table) == ["a", "b", "c"]
    assert table.changes(0, 1)
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a%20b", "a\\b", "a[b]", "a^b", "a|b", "a\nb"])
def test_names_that_are_misread_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="expected the URL of a table without any of"):
        open_table(str(tmp_path / name))


def test_rows_that_break_a_constraint_are_refused_without_being_shown(table: LakeTable) -> None:
    DeltaTable(path_of(table)).alter.add_constraint({"known": "label < 3"})
    other = CommitKey("e" * 64, 0)
    rows = pa.table({"text": ["a secret"], "label": [7]})
    with pytest.raises(SchemaError, match="keep the table's constraints") as raised:
        table.append_once(other, source(rows, other), 2)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert (table.version(), table.moved_since(1)) == (2, 0)


def test_a_column_without_nulls_takes_none(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "t"), pa.table({"text": ["a"]}, schema=pa.schema([pa.field("text", pa.string(), False)])))
    table = open_table(str(tmp_path / "t"))
    table.widen(LINEAGE)
    with pytest.raises(SchemaError, match="column 'text': expected a value in every row, as the table has it, found 1"):
        table.append_once(KEY, source(pa.table({"text": ["a", None]})), 0)


@pytest.mark.parametrize("url", ["memory://t", "gs://bucket/t", "abfs://c@a/t"])
def test_stores_without_conditional_creation_are_refused(url: str) -> None:
    with pytest.raises(ConditionUnsupportedError, match=r"expected the table of a gate in a local folder or under s3://"):
        open_table(url)


def test_a_table_that_is_replaced_under_a_gate_is_seen_as_the_new_one(table: LakeTable, tmp_path: Path) -> None:
    first = table.identity()
    shutil.rmtree(path_of(table))
    assert (table.version(), table.identity()) == (None, None)
    write_deltalake(path_of(table), pa.table({"text": ["a"], "label": [0]}))
    write_deltalake(path_of(table), pa.table({"text": ["b"], "label": [1]}), mode="append")
    assert table.version() == 1
    assert table.identity() not in (None, first)


def test_a_table_is_looked_at_as_it_is_after_others_have_written_or_restored_it(table: LakeTable) -> None:
    for version in (2, 3):
        foreign(table)
        assert (table.version(), table.moved_since(1)) == (version, version - 1)
    DeltaTable(path_of(table)).restore(1)
    assert (table.version(), table.rows_by_key(4), table.attempt(KEY.delivery)) == (4, {KEY: 3}, KEY.attempt)


def test_a_table_can_be_sent_to_another_process_after_it_was_looked_at(table: LakeTable) -> None:
    version = table.version()
    assert pickle.loads(pickle.dumps(table)).version() == version
