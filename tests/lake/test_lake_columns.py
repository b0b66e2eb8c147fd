"""Columns as a table holds them: every type of Arrow is stored as it is, or refused by its column."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mixval.errors import SchemaError
from mixval.lake.columns import SchemaChange, compare_schemas, lineage_schema, stored_schema, with_lineage
from mixval.lake.delta import open_table
from mixval.lake.table import CommitKey

TIME = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
HELD = {
    "text": pa.array(["a", None]),
    "large": pa.array(["a", None], pa.large_string()),
    "view": pa.array(["a", None], pa.string_view()),
    "dictionary": pa.array(["a", None]).dictionary_encode(),
    "bytes": pa.array([b"a", None], pa.binary(1)),
    "flag": pa.array([True, None]),
    "int8": pa.array([-1, None], pa.int8()),
    "uint8": pa.array([255, None], pa.uint8()),
    "uint32": pa.array([2**32 - 1, None], pa.uint32()),
    "uint64": pa.array([2**63 - 1, None], pa.uint64()),
    "half": pa.array([0.5, None], pa.float16()),
    "double": pa.array([0.1, None]),
    "decimal": pa.array([decimal.Decimal("1.25"), None], pa.decimal128(10, 2)),
    "date": pa.array([TIME.date(), None], pa.date32()),
    "date64": pa.array([TIME.date(), None], pa.date64()),
    "zoned": pa.array([TIME, None], pa.timestamp("us", "Asia/Tokyo")),
    "naive": pa.array([TIME.replace(tzinfo=None), None], pa.timestamp("us")),
    "nanoseconds": pa.array([TIME, None], pa.timestamp("ns", "UTC")),
    "list": pa.array([["a"], None]),
    "fixed": pa.array([[1, 2], None], pa.list_(pa.uint8(), 2)),
    "large_list": pa.array([["a"], None], pa.large_list(pa.large_string())),
    "struct": pa.array([{"bytes": b"a", "path": None}, None], pa.struct([("bytes", pa.large_binary()), ("path", pa.string())])),
    "messages": pa.array([[{"role": "user", "n": 1}], None], pa.list_(pa.struct([("role", pa.string()), ("n", pa.uint16())]))),
    "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
    "int96": pa.array([TIME.replace(tzinfo=None), None], pa.timestamp("ns")),
}


@pytest.mark.parametrize("name", HELD)
def test_values_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    rows = pa.table({"x": HELD[name]})
    table = open_table(str(tmp_path / "t"))
    schema = lineage_schema(rows.schema)
    table.create(schema)
    key = CommitKey("d" * 64, 0)
    own = key.delivery, 0, "a"

    def source() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(schema, with_lineage(rows.to_batches(), schema, own))

    table.append_once(key, source, 0)
    found = pa.Table.from_batches(table.read(1, ["x"]))
    assert found["x"].type == stored_schema(rows.schema).field("x").type == table.schema().field("x").type
    given = rows["x"].to_pylist()
    if name == "nanoseconds":
        given = [TIME, None]
    assert sorted(found["x"].to_pylist(), key=str) == sorted(given, key=str)
    assert compare_schemas(table.schema(), rows.schema) == SchemaChange()


@pytest.mark.parametrize("kind", [pa.duration("s"), pa.time64("us"), pa.decimal256(60), pa.month_day_nano_interval()])
def test_types_that_no_table_holds_are_refused_by_column(kind: pa.DataType) -> None:
    for found in (kind, pa.list_(kind), pa.struct([("x", kind)])):
        schema = pa.schema([("odd", found)])
        with pytest.raises(SchemaError, match="column 'odd': expected a type that a table can hold"):
            stored_schema(schema)
        [words] = compare_schemas(None, schema).clashing
        assert "column 'odd'" in words


@pytest.mark.parametrize(
    ("array", "held"),
    [
        (pa.array([1], pa.uint64()).cast(pa.uint64()), pa.int64()),
        (pa.array([2**63], pa.uint64()), None),
        (pa.array([1], pa.timestamp("ns")), None),
    ],
)
def test_values_are_changed_by_nothing(array: pa.Array, held: pa.DataType | None) -> None:
    schema = lineage_schema(pa.schema([("x", array.type)]))
    batches = [pa.record_batch({"x": array})]
    if held is not None:
        [batch] = with_lineage(batches, schema, ("d", 0, "a"))
        assert batch.column(3).type == held
        return
    with pytest.raises(SchemaError, match="column 'x': expected values that"):
        list(with_lineage(batches, schema, ("d", 0, "a")))


HERE = pa.schema([("text", pa.string()), ("n", pa.int64()), ("x", pa.float32()), pa.field("id", pa.string(), nullable=False)])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"text": pa.string(), "n": pa.int64(), "x": pa.float32(), "id": pa.string()}, SchemaChange()),
        ({"text": pa.large_string(), "n": pa.int8(), "x": pa.float16(), "id": pa.string_view()}, SchemaChange()),
        ({"text": pa.null(), "id": pa.string()}, SchemaChange(missing=("n", "x"))),
        ({"id": pa.string(), "more": pa.bool_(), "less": pa.null()}, SchemaChange(("more",), ("text", "n", "x"))),
    ],
)
def test_how_rows_differ_from_a_table(rows: dict[str, Any], expected: SchemaChange) -> None:
    found = compare_schemas(pa.schema([*lineage_schema(pa.schema([])), *HERE]), pa.schema(list(rows.items())))
    assert found == expected


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"n": pa.float64()}, "column 'n': expected int64, as the table has it, found double"),
        ({"x": pa.float64()}, "column 'x': expected float"),
        ({"n": pa.uint64()}, ""),
        ({"TEXT": pa.string()}, "expected the spelling of the table, 'text'"),
        ({"text": pa.list_(pa.string())}, "column 'text'"),
        ({"id": None}, "column 'id': expected in every row"),
        ({" ": pa.string()}, "a name for every column"),
        ({"_mixval_contributor": pa.string()}, "which the gate writes itself"),
    ],
)
def test_what_clashes_is_a_sentence(rows: dict[str, Any], words: str) -> None:
    given = {name: kind for name, kind in ({"id": pa.string()} | rows).items() if kind is not None}
    found = compare_schemas(HERE, pa.schema(list(given.items())))
    assert [words in sentence for sentence in found.clashing] == ([True] if words else [])
