"""Decoded bytes of cells in every encoding, and cells that are left out for having too many."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mixval.contracts import cell_bytes as module
from mixval.contracts.cell_bytes import ITEM_BYTES, cell_bytes, without_large_cells

WORDS = ["a", None, "bcd", ""]
LISTS = [["a", "bb"], None, ["ccc", None], []]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary_view()])
def test_text_in_every_encoding(kind):
    column = pa.array(WORDS * 2, kind)
    assert cell_bytes(column).tolist() == [1, 0, 3, 0] * 2
    assert cell_bytes(column.slice(2, 3)).tolist() == [3, 0, 1]


@pytest.mark.parametrize("encode", [pc.dictionary_encode, pc.run_end_encode])
def test_a_value_that_is_named_often_counts_each_time(encode):
    column = encode(pa.array(["long", "long", "x", None]))
    assert cell_bytes(column).tolist() == [4, 4, 1, 0]
    assert cell_bytes(column.slice(1, 2)).tolist() == [4, 1]


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.string()), pa.list_view(pa.string())])
@pytest.mark.parametrize("together", [module.MOST_ITEMS, 3])
def test_items_count_besides_their_content(kind, together, monkeypatch):
    monkeypatch.setattr(module, "MOST_ITEMS", together)
    column = pa.array(LISTS, kind)
    assert cell_bytes(column).tolist() == [2 * ITEM_BYTES + 3, 0, 2 * ITEM_BYTES + 3, 0]
    assert cell_bytes(column.slice(1, 2)).tolist() == [0, 2 * ITEM_BYTES + 3]


def test_a_cell_of_very_many_items_is_charged_for_them_alone(monkeypatch):
    monkeypatch.setattr(module, "MOST_ITEMS", 3)
    assert cell_bytes(pa.array([["abc"] * 4, ["a"]])).tolist() == [4 * ITEM_BYTES, ITEM_BYTES + 1]


def test_views_that_overlap_are_not_flattened():
    column = pa.ListViewArray.from_arrays(pa.array([0] * 5, pa.int32()), pa.array([3] * 5, pa.int32()), pa.array(["ab"] * 3))
    assert cell_bytes(column).tolist() == [3 * (ITEM_BYTES + 2)] * 5


def test_structs_maps_tensors_and_nothing():
    assert cell_bytes(pa.array([{"x": "abc", "y": 1}, None])).tolist() == [11, 0]
    pairs = pa.array([[("a", "b")], [("c", None), ("d", "ef")]], pa.map_(pa.string(), pa.string()))
    assert cell_bytes(pairs).tolist() == [ITEM_BYTES + 2, 2 * ITEM_BYTES + 4]
    assert cell_bytes(pairs.slice(1)).tolist() == [2 * ITEM_BYTES + 4]
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 4, 5, 3), np.float32))
    assert cell_bytes(tensors).tolist() == [240, 240]
    assert cell_bytes(pa.array([[1, 2], None, [3]], pa.list_(pa.int64()))).tolist() == [16, 0, 8]
    assert cell_bytes(pa.nulls(2)).tolist() == [0, 0]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "x" * 100, None, "q"]),
        pa.array(["a", "x" * 100, None, "q"], pa.string_view()),
        pa.array(["a", "x" * 100, None, "q"]).dictionary_encode(),
        pc.run_end_encode(pa.array(["a", "x" * 100, None, "q"])),
    ],
    ids=["plain", "views", "dictionary", "runs"],
)
def test_large_cells_are_null_and_named(column):
    batch, refused = without_large_cells(pa.RecordBatch.from_arrays([column], ["words"]), 50)
    batch.validate(full=True)
    assert batch.column(0).to_pylist() == ["a", None, None, "q"]
    assert list(refused) == [1]
    assert "column 'words' must have at most 50 bytes in a row once decoded" in refused[1]
    assert "found 100" in refused[1]
