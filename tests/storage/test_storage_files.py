"""Tensors and tables come back as they went, and say what is wrong when they cannot."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from mixval.contracts.results import REJECTED
from mixval.errors import ContractError, SchemaError, StorageError
from mixval.storage.root import Location
from mixval.storage.tables import decode_table, write_table
from mixval.storage.tensors import encode_tensors, read_tensors

SCHEMA = pa.schema([pa.field("name", pa.string(), nullable=False, metadata={"unit": "name"}), pa.field("value", pa.float64())])


def test_tensors_come_back(root: Location) -> None:
    generator = np.random.default_rng(0)
    tensors = {
        "matrix": generator.standard_normal((5, 7)),
        "transposed": generator.standard_normal((3, 4)).astype(np.float32).T,
        "strided": np.arange(20)[::3],
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 4), np.float16),
        "keys": np.array([2**64 - 1], np.uint64),
        "flags": np.array([True, False]),
    }
    file = root.child("t.safetensors")
    file.write_bytes(encode_tensors(tensors))
    found = read_tensors(file)
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
    assert read_tensors(file, ["scalar"]).keys() == {"scalar"}
    torch.from_numpy(found["matrix"]).add_(1)  # a read-only array would warn, and warnings are errors


def test_the_same_tensors_give_the_same_bytes() -> None:
    one = {"a": np.zeros(3), "b": np.ones((2, 2), np.float32)}
    assert encode_tensors(one) == encode_tensors(dict(reversed(one.items())))


def test_arrays_without_numbers_are_refused() -> None:
    for wrong in (np.array(["a"]), np.array([object()]), [1.0], torch.zeros(2)):
        with pytest.raises(StorageError, match="tensor 'x': expected a numeric NumPy array"):
            encode_tensors({"x": wrong})


def test_damaged_and_missing_tensors_are_told(root: Location) -> None:
    file = root.child("t.safetensors")
    file.write_bytes(encode_tensors({"x": np.zeros(100)})[:-50])
    with pytest.raises(StorageError, match="found a damaged one"):
        read_tensors(file)
    file.write_bytes(encode_tensors({"x": np.zeros(2)}))
    with pytest.raises(StorageError, match="expected tensors y, found x"):
        read_tensors(file, ["y"])
    file.write_bytes(b"abc")
    with pytest.raises(StorageError, match="damaged"):
        read_tensors(file)


def test_tables_come_back_with_their_units(root: Location) -> None:
    file = root.child("t.parquet")
    write_table(file, pa.table({"value": [1.0, None], "name": ["a", "b"]}), SCHEMA)
    found = decode_table(file, file.read_bytes(), SCHEMA)
    assert found.schema.equals(SCHEMA, check_metadata=True)
    assert found.to_pylist() == [{"name": "a", "value": 1.0}, {"name": "b", "value": None}]
    assert decode_table(file, file.read_bytes(), SCHEMA, ["value"]).column_names == ["value"]


def test_an_empty_table_keeps_its_schema(root: Location) -> None:
    write_table(root.child("t"), REJECTED.empty_table(), REJECTED)
    assert decode_table(root.child("t"), root.child("t").read_bytes(), REJECTED).schema.equals(REJECTED, check_metadata=True)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"name": ["a"], "value": [1]}, "column 'value' must be double, found int64"),
        ({"value": [1.0]}, "column 'name' is expected once, found none"),
        ({"name": ["a"], "value": [1.0], "more": [1]}, "column 'more' is not expected"),
        ({"name": [None, "a"], "value": [1.0, 2.0]}, "column 'name' must have no nulls, found 1"),
    ],
)
def test_what_differs_is_named_on_writing_and_reading(root: Location, columns: dict[str, list[object]], words: str) -> None:
    file, table = root.child("t"), pa.table(columns)
    if table["name"].type == pa.null() if "name" in columns else False:
        table = table.set_column(0, "name", table["name"].cast(pa.string()))
    with pytest.raises(SchemaError, match=words):
        write_table(file, table, SCHEMA)
    assert not file.exists()
    write_table(file, table)
    with pytest.raises(ContractError, match=words) as caught:
        decode_table(file, file.read_bytes(), SCHEMA)
    assert file.url in str(caught.value)


def test_a_damaged_table_is_told(root: Location) -> None:
    root.child("t").write_bytes(b"PAR1 no")
    with pytest.raises(StorageError, match="expected a Parquet table"):
        decode_table(root.child("t"), root.child("t").read_bytes())
