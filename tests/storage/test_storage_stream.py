"""Streaming: contract columns whatever the data calls them, in bounded batches, wrong shards named."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mixval.config.source import SourceConfig
from mixval.config.tasks import Task
from mixval.contracts.batches import merged
from mixval.errors import ConfigError, ShardError
from mixval.storage.listing import list_contributors
from mixval.storage.root import Location
from mixval.storage.shards import source_of_target, stream_rows

Write = Callable[..., None]


def rows_of(root: Location, task: Task, **changes: object) -> tuple[list[dict[str, object]], list[tuple[int, int, int]]]:
    """Rows of contributor `a`, and where the batches stood."""
    options = {name: changes.pop(name) for name in ("batch_rows", "columns_wanted") if name in changes}
    source = SourceConfig(contributors=root.url, target="memory://none", **changes)
    shards = list_contributors(source)["a"]
    batches = list(stream_rows(shards, source, task, options.get("batch_rows", 1024), options.get("columns_wanted")))
    places = [(batch.shard_index, batch.row_offset, batch.table.num_rows) for batch in batches]
    return [row for batch in batches for row in batch.table.to_pylist()], places


def test_batches_and_where_they_stand(root: Location, write_shard: Write) -> None:
    for part in range(2):
        text = [f"{part}-{row}" for row in range(5)]
        write_shard(root.child("a", f"{part}.parquet"), {"text": text, "origin": ["real"] * 5, "extra": range(5)}, 2)
    rows, places = rows_of(root, "language-modelling", batch_rows=2)
    assert rows == [{"text": f"{part}-{row}", "origin": "real"} for part in range(2) for row in range(5)]
    assert sum(n for _, _, n in places) == 10
    assert all(n <= 2 for _, _, n in places)
    for shard in range(2):
        own = [(offset, n) for index, offset, n in places if index == shard]
        assert [offset for offset, _ in own] == [sum(n for _, n in own[:at]) for at in range(len(own))]


def test_renamed_joined_and_decoded(root: Location, write_shard: Write) -> None:
    columns = {
        "instruction": pa.array(["do", "say", None, None], pa.large_string()),
        "input": ["this", "  ", "only", None],
        "answer": pa.array(["yes", "no", "so", "oh"]).dictionary_encode(),
        "kind": pa.array(["real", "synthetic", "real", "x"]).dictionary_encode(),
        "number": [7, 8, 9, None],
    }
    write_shard(root.child("a", "x.parquet"), columns)
    mapping = {"prompt": ["instruction", "input"], "response": "answer", "origin": "kind", "id": "number"}
    rows, _ = rows_of(root, "instruction", columns=mapping)
    assert rows == [
        {"prompt": "do\n\nthis", "response": "yes", "origin": "real", "id": "7"},
        {"prompt": "say", "response": "no", "origin": "synthetic", "id": "8"},
        {"prompt": "only", "response": "so", "origin": "real", "id": "9"},
        {"prompt": None, "response": "oh", "origin": "x", "id": None},
    ]


def test_chats_split_before_the_last_answer(root: Location, write_shard: Write) -> None:
    def said(role: str, content: str | None) -> dict[str, str | None]:
        return {"weight": "1", "content": content, "role": role}

    chats = [
        [
            said("system", "be good"),
            said("user", "hi"),
            said("assistant", "hello"),
            said("user", "2+2?"),
            said("assistant", "4"),
        ],
        [said("user", "anybody?")],
        None,
        [said("assistant", None), said("user", "late")],
    ]
    write_shard(root.child("a", "x.parquet"), {"chat": chats})
    rows, _ = rows_of(root, "instruction", columns={"messages": "chat"}, origin="synthetic")
    first = [{"role": said["role"], "content": said["content"], "more": None} for said in chats[0][:4]]  # type: ignore[index]  # not None
    refusals = [row.pop("refusal") for row in rows]
    assert rows == [
        {"prompt": prompt, "response": response, "answer": None, "origin": "synthetic"}
        for prompt, response in ((first, "4"), (None, None), (None, None), ([], None))
    ]
    assert "assistant is expected, found roles 'user'" in str(refusals.pop(1))
    assert refusals == [None] * 3
    wanted = rows_of(root, "instruction", columns={"messages": "chat"}, origin="real", columns_wanted=["response"])[0][0]
    assert wanted == {"response": "4", "answer": None, "origin": "real", "refusal": None}


SEARCH = {"type": "function", "function": {"name": "search"}}


@pytest.mark.parametrize("tools", [[[SEARCH], None, []], [json.dumps([SEARCH]), None, ""]])
def test_functions_that_may_be_called_are_part_of_the_conversation(
    root: Location, write_shard: Write, tools: list[Any]
) -> None:
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    write_shard(root.child("a", "x.parquet"), {"chat": [chat] * 3, "functions": tools})
    columns: dict[str, Any] = {"messages": "chat", "tools": "functions"}
    with_tools, without, empty = (row["prompt"] for row in rows_of(root, "instruction", columns=columns, origin="real")[0])
    assert without == empty == [{"role": "user", "content": "hi", "more": None}]
    assert with_tools[1:] == without
    assert json.loads(with_tools[0]["more"]) == {"tools": [SEARCH]}


def test_functions_that_are_none_are_refused_by_the_row_or_by_the_type(root: Location, write_shard: Write) -> None:
    said = {"prompt": ["a", "b"], "response": ["c", "d"]}
    write_shard(root.child("a", "x.parquet"), said | {"tools": ["[]", "search"]})
    first, second = rows_of(root, "instruction", origin="real")[0]
    assert first["prompt"] == [{"role": "user", "content": "a", "more": None}]
    assert (first["refusal"], second["prompt"]) == (None, None)
    assert "`tools` must be a list of descriptions of functions, or JSON text of one, found search" in second["refusal"]
    write_shard(root.child("a", "x.parquet"), said | {"tools": [1, 2]})
    with pytest.raises(ShardError, match=r"column 'tools', the functions that .* must be a list of structs, .* found int64"):
        rows_of(root, "instruction", origin="real")


def test_images_as_structs_binary_and_tensors(root: Location, write_shard: Write) -> None:
    pixels = np.arange(2 * 4 * 3 * 3, dtype=np.uint8).reshape(2, 4, 3, 3)
    forms = {
        "struct": pa.array([{"bytes": b"png", "path": "p"}, None]),
        "binary": pa.array([b"png", None], pa.large_binary()),
        "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels),
    }
    for name, images in forms.items():
        write_shard(root.child(name, "a", "x.parquet"), pa.table({"image": images, "label": pa.array([1, 2], pa.uint8())}))
    for name in ("struct", "binary"):
        rows, _ = rows_of(root.child(name), "image-classification", origin="real")
        assert [row.pop("refusal", None) for row in rows] == [None, None]
        assert rows == [{"image": b"png", "label": 1, "origin": "real"}, {"image": None, "label": 2, "origin": "real"}]
    source = SourceConfig(contributors=root.child("tensor").url, target="memory://none", origin="real")
    (batch,) = stream_rows(list_contributors(source)["a"], source, "image-classification")
    np.testing.assert_array_equal(batch.table["image"].combine_chunks().to_numpy_ndarray(), pixels)
    assert batch.table["label"].type == pa.int64()


def test_of_an_image_only_bytes_and_path_are_read(root: Location, write_shard: Write) -> None:
    heavy = [{"bytes": b"x", "path": "p", "caption": "y" * 3_000_000} for _ in range(40)]
    write_shard(root.child("a", "x.parquet"), {"image": heavy, "label": [1] * 40})
    rows, places = rows_of(root, "image-classification", origin="real")
    assert len(rows) == 40
    assert places == [(0, 0, 40)]  # batches are sized by what is read, and captions are not


def test_heavy_rows_come_in_smaller_batches(root: Location, write_shard: Write) -> None:
    random = np.random.default_rng(0)
    write_shard(root.child("a", "x.parquet"), {"image": [random.bytes(8 << 20) for _ in range(12)], "label": [1] * 12}, 6)
    _, places = rows_of(root, "image-classification", origin="real")
    assert sum(n for _, _, n in places) == 12
    assert max(n for _, _, n in places) <= 4


def test_origin_from_a_folder(root: Location, write_shard: Write) -> None:
    for origin in ("real", "synthetic"):
        write_shard(root.child("a", f"origin={origin}", "x.parquet"), {"text": [origin]})
    rows, _ = rows_of(root, "language-modelling", origin="folder")
    assert rows == [{"text": origin, "origin": origin} for origin in ("real", "synthetic")]
    write_shard(root.child("a", "x.parquet"), {"text": ["?"]})
    with pytest.raises(ShardError, match="`origin=real/` or `origin=synthetic/` folder is expected") as caught:
        rows_of(root, "language-modelling", origin="folder")
    assert (caught.value.kind, caught.value.column) == ("missing-column", "origin")


@pytest.mark.parametrize(
    ("given", "said", "is_denied"), [("real", "real", False), ("real", "synthetic", True), ("synthetic", "real", True)]
)
def test_an_origin_for_all_rows_that_their_own_column_denies_is_told(
    root: Location, write_shard: Write, given: str, said: str, is_denied: bool
) -> None:
    kinds = pa.array([said, None, "?"]).dictionary_encode()
    write_shard(root.child("a", "x.parquet"), {"text": ["b", "c", "d"], "kind": kinds})
    source = SourceConfig(contributors=root.url, target="memory://none", origin=given, columns={"origin": "kind"})
    batches = list(stream_rows(list_contributors(source)["a"], source, "language-modelling", 1))
    assert [row["origin"] for batch in batches for row in batch.table.to_pylist()] == [given] * 3
    assert [batch.origin_denied for batch in batches] == [is_denied, False, False]
    assert [one.origin_denied for one in merged(batches, 10)] == [is_denied]


def test_a_target_that_says_no_origin_is_real(root: Location, write_shard: Write) -> None:
    for name, columns in {"plain": {}, "said": {"origin": ["synthetic"]}}.items():
        write_shard(root.child(name, "x.parquet"), {"text": ["b"], **columns})
        write_shard(root.child(name, "origin=real", "x.parquet"), {"text": ["b"], **columns})
    source = SourceConfig(contributors=root.url, target="memory://none")
    listed = list_contributors(source)
    assert [source_of_target(listed[name], source).origin for name in ("plain", "said")] == ["real", "column"]
    by_folder = source.model_copy(update={"origin": "folder"})
    outside = [shard for shard in listed["plain"] if "origin=" not in shard.url]
    assert [source_of_target(shards, by_folder).origin for shards in (outside, listed["plain"])] == ["real", "folder"]
    assert source_of_target(outside, source.model_copy(update={"origin": "synthetic"})).origin == "real"


@pytest.mark.parametrize("row_group_size", [1, 3, 100])
def test_rows_of_one_contributor_among_several(root: Location, write_shard: Write, row_group_size: int) -> None:
    who = sorted("abcab" * 4)
    columns = {"who": who, "text": [f"{name}{row}" for row, name in enumerate(who)], "origin": ["real"] * len(who)}
    write_shard(root.child("x.parquet"), columns, row_group_size)
    rows, places = rows_of(root, "language-modelling", layout="column", contributor_column="who", batch_rows=3)
    assert [row["text"] for row in rows] == [f"a{row}" for row in range(8)]
    assert [offset for _, offset, _ in places] == [sum(n for _, _, n in places[:at]) for at in range(len(places))]


@pytest.mark.parametrize(
    ("task", "columns", "kind", "column", "words"),
    [
        (
            "text-classification",
            {"text": [1], "label": [1], "origin": ["real"]},
            "wrong-type",
            "text",
            "must be string, found int64",
        ),
        (
            "text-classification",
            {"text": ["a"], "label": [1.5], "origin": ["real"]},
            "wrong-type",
            "label",
            "integer or string",
        ),
        ("text-classification", {"label": [1], "origin": ["real"]}, "missing-column", "text", "found label, origin"),
        ("text-classification", {"text": ["a"], "label": [1]}, "missing-column", "origin", "`source.origin: real`"),
        ("text-classification", {"text": ["a"], "label": [1], "origin": [1]}, "wrong-type", "origin", "must be string"),
        ("image-classification", {"image": ["a"], "label": [1], "origin": ["real"]}, "wrong-type", "image", "binary PNG/JPEG"),
        (
            "instruction",
            {"prompt": [[{"x": 1}]], "response": ["a"], "origin": ["real"]},
            "wrong-type",
            "prompt",
            "list of messages",
        ),
        (
            "text-classification",
            {"text": ["a"], "label": pa.array([2**64 - 1], pa.uint64()), "origin": ["real"]},
            "wrong-type",
            None,
            "values must fit",
        ),
    ],
)
def test_what_breaks_the_contract_is_named(
    root: Location, write_shard: Write, task: Task, columns: dict[str, object], kind: str, column: str | None, words: str
) -> None:
    write_shard(root.child("a", "part-0007.parquet"), columns)
    with pytest.raises(ShardError, match=words) as caught:
        rows_of(root, task)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.kind, error.column, error.shard) == (kind, column, root.child("a", "part-0007.parquet").url)
    assert "part-0007.parquet" in str(error)


def test_text_that_is_not_utf8_is_told(root: Location, write_shard: Write) -> None:
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
    write_shard(root.child("a", "x.parquet"), {"text": bad, "origin": ["real"]})
    with pytest.raises(ShardError, match="UTF") as caught:
        rows_of(root, "language-modelling")
    assert caught.value.kind == "wrong-type"


def test_a_place_that_a_dictionary_lacks_is_told(root: Location, write_shard: Write) -> None:
    file = root.child("a", "x.parquet")
    write_shard(file, {"text": pa.array(["a", "b", "c"]).dictionary_encode()})
    data, places = file.read_bytes(), b"\x02\x03\x24\x00"  # 0, 1 and 2 in two bits each, the last first
    assert data.count(places) == 1
    file.write_bytes(data.replace(places, b"\x02\x03\x34\x00"))
    with pytest.raises(ShardError, match="must fit the row contract, found Index 3 out of bounds"):
        rows_of(root, "language-modelling", origin="real")


def test_a_column_that_stands_twice_is_told(root: Location, write_shard: Write) -> None:
    write_shard(root.child("a", "x.parquet"), pa.Table.from_arrays([pa.array(["x"])] * 2, ["text", "text"]))
    with pytest.raises(ShardError, match="it stands there 2 times"):
        rows_of(root, "language-modelling", origin="real")


def test_a_page_damaged_in_the_middle_is_told(root: Location, write_shard: Write) -> None:
    file = root.child("a", "x.parquet")
    write_shard(file, {"text": [f"some words {row}" for row in range(2000)]})
    data = file.read_bytes()
    file.write_bytes(data[:4] + b"\xa5" * 2000 + data[2004:])
    with pytest.raises(ShardError, match="cannot be read") as caught:
        rows_of(root, "language-modelling", origin="real")
    assert caught.value.kind == "unreadable"


def test_a_listed_problem_is_raised_when_its_turn_comes(root: Location, write_shard: Write) -> None:
    write_shard(root.child("a", "0.parquet"), {"text": ["x"]})
    root.child("a", "1.parquet").write_bytes(b"no")
    source = SourceConfig(contributors=root.url, target="memory://none", origin="real")
    stream = stream_rows(list_contributors(source)["a"], source, "language-modelling")
    assert next(stream).table.num_rows == 1
    with pytest.raises(ShardError, match=r"1\.parquet"):
        next(stream)


def test_a_shard_without_rows_gives_no_batch(root: Location, write_shard: Write) -> None:
    write_shard(root.child("a", "0.parquet"), {"text": pa.array([], pa.string())})
    assert rows_of(root, "language-modelling", origin="real") == ([], [])


@pytest.mark.parametrize("mapping", [{"tezt": "x"}, {"messages": "x"}, {"origin": ["a", "b"]}])
def test_a_mapping_of_unknown_columns_is_refused(root: Location, write_shard: Write, mapping: dict[str, object]) -> None:
    write_shard(root.child("a", "0.parquet"), {"text": ["x"]})
    with pytest.raises(ConfigError, match=r"source\.columns"):
        rows_of(root, "language-modelling", columns=mapping)
