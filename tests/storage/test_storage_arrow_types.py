"""Rows in every encoding that writers of Parquet and Arrow choose: the same rows as in plain types, or a refusal by name."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixval.config.source import SourceConfig
from mixval.config.tasks import Task
from mixval.contracts.arrow_types import plain_array, plain_type
from mixval.contracts.mapping import row_mapping
from mixval.errors import ShardError
from mixval.storage.listing import list_contributors
from mixval.storage.root import open_location
from mixval.storage.shards import stream_rows

TEXTS = ["a", None, "c"]
CHATS: list[Any] = [[{"role": "user", "content": "hi"}], [], None]


def message(text: pa.DataType) -> pa.DataType:
    return pa.struct([("role", text), ("content", text)])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
@pytest.mark.parametrize("at", [0, 1])
def test_texts_in_every_encoding(kind: pa.DataType, at: int) -> None:
    array = pa.array(TEXTS, pa.string()).cast(kind).slice(at)
    assert (plain_type(kind), plain_array(array).to_pylist()) == (pa.string(), TEXTS[at:])


def test_dictionaries_of_views_runs_and_extensions_are_decoded() -> None:
    views = pa.array(TEXTS, pa.string_view()).dictionary_encode()
    runs = pa.RunEndEncodedArray.from_arrays([1, 3], pa.array(["a", "b"]))
    asked = pa.array(['{"a": 1}', None], pa.json_())
    assert [plain_array(array).to_pylist() for array in (views, runs, asked)] == [TEXTS, ["a", "b", "b"], ['{"a": 1}', None]]
    assert {plain_array(array).type for array in (views, runs, asked)} == {pa.string()}


@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
@pytest.mark.parametrize("of", [pa.list_, pa.large_list, pa.list_view, pa.large_list_view, lambda item: pa.list_(item, 1)])
def test_chats_in_every_encoding(of: Callable[[pa.DataType], pa.DataType], text: pa.DataType) -> None:
    kind = of(message(text))
    if pa.types.is_dictionary(text):  # which Arrow makes from no Python values
        words = pa.StructArray.from_arrays(
            [pa.array([word]).dictionary_encode() for word in ("user", "hi")], ["role", "content"]
        )
        array, chats = pa.ListArray.from_arrays([0, 1], words), CHATS[:1]
    else:
        chats = [CHATS[0]] * 2 if pa.types.is_fixed_size_list(kind) else CHATS
        array = pa.array(chats, kind)
    plain_array(array).validate(full=True)
    assert plain_array(array).type == pa.list_(message(pa.string()))
    assert plain_array(array).to_pylist() == chats


def read(shards: list[pa.Table], task: Task, tmp_path: Any, **source: Any) -> list[dict[str, Any]]:
    """Rows of these tables, by way of Parquet."""
    root = open_location(tmp_path)
    for number, table in enumerate(shards):
        sink = io.BytesIO()
        pq.write_table(table, sink)
        root.child("a", f"{number}.parquet").write_bytes(sink.getvalue())
    settings = SourceConfig(contributors=root.url, target="memory://none", **({"origin": "real"} | source))
    batches = stream_rows(list_contributors(settings)["a"], settings, task)
    return [row for batch in batches for row in batch.table.to_pylist()]


def test_large_and_viewed_lists_are_prompts_and_chats(tmp_path: Any) -> None:
    chats = [[{"role": "human", "content": "hi"}, {"role": "gpt", "content": "yo"}]]
    for number, of in enumerate((pa.list_, pa.large_list, pa.list_view)):
        prompt = pa.array([chats[0][:1]], of(message(pa.large_string())))
        rows = read([pa.table({"prompt": prompt, "response": ["yo"]})], "instruction", tmp_path / f"p{number}")
        assert [said["role"] for said in rows[0]["prompt"]] == ["user"]
        table = pa.table({"chat": pa.array(chats, of(message(pa.string())))})
        (row,) = read([table], "instruction", tmp_path / f"c{number}", columns={"messages": "chat"})
        assert (row["prompt"][0]["content"], row["response"]) == ("hi", "yo")


def test_a_column_of_nulls_is_blank_where_joined_and_null_elsewhere(tmp_path: Any) -> None:
    full = pa.table({"ask": ["a"], "more": ["b"], "response": ["c"]})
    blank = pa.table({"ask": ["d"], "more": pa.nulls(1), "response": pa.nulls(1)})
    rows = read([full, blank], "instruction", tmp_path, columns={"prompt": ["ask", "more"]})
    assert [(row["prompt"], row["response"]) for row in rows] == [("a\n\nb", "c"), ("d", None)]


def test_views_are_filtered_by_their_contributor(tmp_path: Any) -> None:
    kinds = {"contributor": pa.string_view(), "text": pa.string_view()}
    data = {"contributor": ["a", "b", "a"], "text": ["1", "2", "3"]}
    table = pa.table({name: pa.array(data[name], kind) for name, kind in kinds.items()})
    pq.write_table(table, tmp_path / "x.parquet")
    source = SourceConfig(contributors=str(tmp_path), target="memory://none", origin="real", layout="column")
    batches = stream_rows(list_contributors(source)["a"], source, "language-modelling")
    assert [row["text"] for batch in batches for row in batch.table.to_pylist()] == ["1", "3"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (pa.fixed_shape_tensor(pa.uint8(), [3, 8, 8]), "where channels come first"),
        (pa.fixed_shape_tensor(pa.int64(), [8, 8, 3]), "value_type=int64"),
        (pa.list_(pa.list_(pa.list_(pa.uint8()))), "nested lists as PNG"),
        (pa.struct([("path", pa.string())]), "Embed the files"),
        (pa.string(), "embed the files, in each row"),
    ],
)
def test_images_in_forms_that_are_not_read_are_told_how_to_convert(kind: pa.DataType, words: str) -> None:
    found = row_mapping("image-classification", {}, False).find_mismatch(pa.schema([("image", kind), ("label", pa.int64())]))
    assert found is not None
    assert str(kind) in found.message
    assert words in f"{found.message} {found.advice}"


def test_images_that_are_named_by_their_path_alone_are_refused(tmp_path: Any) -> None:
    images = [{"bytes": b"png", "path": "a.png"}, {"bytes": None, "path": "b.png"}, None]
    rows = read([pa.table({"image": images, "label": [0, 0, 0]})], "image-classification", tmp_path)
    assert [row["image"] for row in rows] == [b"png", None, None]
    assert [row["refusal"] is None for row in rows] == [True, False, True]
    assert "found the path 'b.png' alone" in rows[1]["refusal"]
    assert 'open(path, "rb").read()' in rows[1]["refusal"]


def test_tensors_whose_axes_are_permuted_are_read_by_their_meaning() -> None:
    pixels = np.zeros((1, 3, 4, 5), np.uint8)
    kind = pa.fixed_shape_tensor(pa.uint8(), [3, 4, 5], permutation=[1, 2, 0])
    storage = pa.array(pixels.reshape(1, -1).tolist(), pa.list_(pa.uint8(), 60))
    mapping = row_mapping("image-classification", {}, False)
    assert mapping.find_mismatch(pa.schema([("image", kind), ("label", pa.int64())])) is None
    assert pa.ExtensionArray.from_storage(kind, storage).to_numpy_ndarray().shape == (1, 4, 5, 3)


def test_messages_in_other_words_are_refused_with_the_type_found(tmp_path: Any) -> None:
    chat = pa.array([[{"speaker": "a", "says": "hi"}]])
    with pytest.raises(ShardError, match=r"`role` and `content` \(or `from` and `value`\), found list<.*speaker"):
        read([pa.table({"chat": chat})], "instruction", tmp_path, columns={"messages": "chat"})
