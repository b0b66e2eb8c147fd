"""Values of any plain column name groups; others are refused with what was found."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from mixval.contracts.arrow_types import plain_batch
from mixval.contracts.groups import LONGEST, group_columns, ungrouped

PLAIN = {
    "text": (pa.array(["a", None, ""]), ["a", None, ""]),
    "integers": (pa.array([1, 2, None]), ["1", "2", None]),
    "booleans": (pa.array([True, False, None]), ["true", "false", None]),
    "words": (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
    "days": (pa.array([datetime.date(2020, 1, 2), None, None]), ["2020-01-02", None, None]),
    "nothing": (pa.nulls(3), [None, None, None]),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_values_are_groups_by_their_words(kind: str) -> None:
    array, expected = PLAIN[kind]
    rows = pa.RecordBatch.from_arrays([array], names=["c"])
    assert ungrouped(rows.schema, ["c"]) is None
    assert group_columns(plain_batch(rows), ["c"])["group_0"].to_pylist() == expected


def test_a_column_that_is_not_there_gives_rows_without_a_value() -> None:
    rows = pa.RecordBatch.from_arrays([pa.array([1, 2])], names=["c"])
    assert group_columns(rows, ["absent", "c"])["group_0"].to_pylist() == [None, None]
    assert group_columns(rows, ["absent", "c"])["group_1"].to_pylist() == ["1", "2"]


def test_long_names_stay_apart_and_short() -> None:
    long = "x" * 10_000
    rows = pa.RecordBatch.from_arrays([pa.array([f"{long}1", f"{long}2", "y"])], names=["c"])
    first, second, third = group_columns(rows, ["c"])["group_0"].to_pylist()
    assert len(first) == len(second) == LONGEST
    assert first != second
    assert third == "y"


@pytest.mark.parametrize("array", [pa.array([[1]]), pa.array([{"a": 1}]), pa.array([b"x"])])
def test_what_names_no_group_is_refused(array: pa.Array) -> None:
    name, found = ungrouped(pa.RecordBatch.from_arrays([array], names=["c"]).schema, ["c"]) or ("", "")
    assert name == "c"
    assert "found" in found


def test_a_column_that_stands_there_twice_is_refused() -> None:
    schema = pa.schema([("c", pa.string()), ("c", pa.string())])
    assert ungrouped(schema, ["c"]) == ("c", "it stands there 2 times")
