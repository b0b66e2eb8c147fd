"""Every format gives the rows that Parquet gives: JSON Lines, CSV, Arrow, compressed or not, on disk and in memory."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pytest

from mixval.config.source import SourceConfig
from mixval.config.tasks import Task
from mixval.contracts.batches import RowBatch
from mixval.contracts.plan import ShardRef
from mixval.errors import ContractError, ShardError
from mixval.storage import csv_file, json_lines
from mixval.storage.listing import list_contributors, list_target
from mixval.storage.root import Location
from mixval.storage.sample import draw_rows
from mixval.storage.shards import stream_rows

ROWS = [{"text": f'line\n{row}, "so" 漢', "label": row % 3, "origin": "real"} for row in range(50)]


def as_json(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> bytes:
    sink = io.BytesIO()
    pc.write_csv(pa.Table.from_pylist(rows), sink, pc.WriteOptions(delimiter=delimiter))
    return sink.getvalue()


def as_arrow(rows: list[dict[str, Any]], is_file: bool, batch_rows: int = 7) -> bytes:
    table, sink = pa.Table.from_pylist(rows), io.BytesIO()
    with (pa.ipc.new_file if is_file else pa.ipc.new_stream)(sink, table.schema) as writer:
        writer.write_table(table, batch_rows)
    return sink.getvalue()


FILES = {
    "x.jsonl": as_json(ROWS),
    "x.json": b"\xef\xbb\xbf" + as_json(ROWS).replace(b"\n", b"\n\n"),
    "x.NDJSON": as_json(ROWS).rstrip(b"\n"),
    "x.jsonl.gz": gzip.compress(as_json(ROWS[:20])) + gzip.compress(as_json(ROWS[20:])),
    "x.json.bz2": bz2.compress(as_json(ROWS)),
    "x.csv": as_csv(ROWS),
    "x.csv.gz": gzip.compress(as_csv(ROWS)),
    "x.tsv": as_csv(ROWS, "\t"),
    "x.arrow": as_arrow(ROWS, is_file=False),
    "x.feather": as_arrow(ROWS, is_file=True),
}


def source(root: Location, **changes: Any) -> SourceConfig:
    return SourceConfig(contributors=root.url, target="memory://none", **changes)


def listed(root: Location, **files: bytes) -> list[ShardRef]:
    for name, content in files.items():
        root.child("a", *name.split("/")).write_bytes(content)
    return list_contributors(source(root))["a"]


def read(
    root: Location, shards: list[ShardRef], task: Task = "text-classification", batch_rows: int = 1024, **more: Any
) -> Any:
    return list(stream_rows(shards, source(root, **more), task, batch_rows))


def contract_rows(batches: list[RowBatch]) -> list[dict[str, Any]]:
    """Rows without what the mapping says of labels that are text."""
    return [{name: row[name] for name in ROWS[0]} for batch in batches for row in batch.table.to_pylist()]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("piece", [64, 1 << 20])
def test_rows_and_their_number_whatever_the_format(
    root: Location, monkeypatch: pytest.MonkeyPatch, name: str, piece: int
) -> None:
    monkeypatch.setattr(json_lines, "PIECE_BYTES", piece)
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", max(piece, 256))
    json_lines._layout.cache_clear()  # the same content in pieces of another size
    (shard,) = listed(root, **{name: FILES[name]})
    assert (shard.n_rows, shard.problem, shard.size_bytes) == (50, None, len(FILES[name]))
    batches = read(root, [shard], batch_rows=8)
    assert all(batch.table.num_rows <= 8 for batch in batches)
    assert contract_rows(batches) == ROWS
    assert [batch.row_offset for batch in batches] == [
        sum(b.table.num_rows for b in batches[:at]) for at in range(len(batches))
    ]
    assert {batch.table.schema for batch in batches} == {batches[0].table.schema}


def test_the_same_rows_are_drawn_from_every_format(root: Location) -> None:
    drawn = []
    for number, name in enumerate(FILES):
        below = root.child(str(number))
        batches = read(below, listed(below, **{name: FILES[name]}))
        rows = draw_rows(batches, "text-classification", count=9, n_real=50, n_synthetic=0, seed=3)
        drawn.append(rows.select(["text", "label", "key"]).to_pylist())
    assert all(rows == drawn[0] for rows in drawn)


def test_types_of_json_are_those_of_the_whole_file(root: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "PIECE_BYTES", 32)
    said = [{"role": "user", "content": "2024-01-02"}]
    rows: list[dict[str, Any]] = [
        {"chat": said, "origin": "real", "date": "2024-01-02"},
        {"chat": [*said, {"role": "assistant", "content": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}]}]},
        {"chat": [], "date": "soon", "extra": 1.5},
    ]
    shards = listed(root, **{"x.jsonl": as_json(rows)})
    found = [
        row for batch in read(root, shards, "instruction", columns={"messages": "chat"}) for row in batch.table.to_pylist()
    ]
    assert [row["origin"] for row in found] == ["real", None, None]
    assert found[1]["response"] == '{"arguments": {"a": 1}, "name": "f"}'
    assert found[1]["prompt"][0]["content"] == "2024-01-02"


def test_cells_of_csv_in_which_nothing_stands_are_null(root: Location) -> None:
    shards = listed(root, **{"x.csv": b'text,label,origin\nNA,3,real\n,2,real\n"",1,real\n"a\nb",,\n'})
    rows = [row for batch in read(root, shards) for row in batch.table.to_pylist()]
    assert [row["text"] for row in rows] == ["NA", None, "", "a\nb"]
    assert [row["label"] for row in rows] == [3, 2, 1, None]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.json", b'[{"text": "a"}]', "JSON array"),
        ("x.jsonl", b'{"text": "a"}\n{"text": 1}\n', r"in the rows from 0 on: .*changed from string to number"),
        ("x.jsonl", b'{"text": "a"\n', "cannot be read"),
        ("x.jsonl", b"\x1f\x8b no gzip", "cannot be read"),
        ("x.jsonl.gz", b"no gzip", "cannot be read"),
        ("x.jsonl.gz", gzip.compress(as_json(ROWS))[:-20], "cannot be read"),
        ("x.jsonl", b'{"text": ' + b"[" * 200_000, "nested 200,001 deep, and 100 are read"),
        ("x.jsonl", as_json([{f"k{i}": 1 for i in range(101)}]), "101 names in all, and 100 are read"),
        ("x.csv", b"", "cannot be read"),
        ("x.csv", b"text,label\na,1\nb,2,3\n", "Expected 2 columns, got 3"),
        ("x.arrow", b"no Arrow at all", "cannot be read"),
        ("x.arrow", FILES["x.arrow"][:-200], "cannot be read"),
        ("x.feather", FILES["x.feather"][:-200], "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_problem_that_names_the_file(
    root: Location, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, words: str
) -> None:
    monkeypatch.setattr(json_lines, "MAX_FIELDS", 100)
    (shard,) = listed(root, **{name: content})
    assert shard.problem is not None
    assert name in shard.problem
    with pytest.raises(ShardError, match=words) as caught:
        read(root, [shard])
    assert caught.value.kind == "unreadable"


def test_brackets_in_texts_are_no_nesting(root: Location) -> None:
    (shard,) = listed(root, **{"x.jsonl": as_json([{"text": "[" * 5000 + '\\"{'}, {"text": "]"}])})
    assert (shard.problem, shard.n_rows) == (None, 2)


def test_arrow_that_lies_about_its_buffers_is_refused_not_followed(root: Location) -> None:
    table = pa.table({"text": pa.array(["abcd", "efgh"]), "label": [0, 1], "origin": ["real", "real"]})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    offsets = b"".join(at.to_bytes(4, "little") for at in (0, 4, 8))
    lying = sink.getvalue().replace(offsets, b"".join(at.to_bytes(4, "little") for at in (0, 1 << 30, 8)), 1)
    (shard,) = listed(root, **{"x.arrow": lying})
    with pytest.raises(ShardError, match="cannot be read"):
        read(root, [shard])


def test_a_folder_that_datasets_saved(root: Location) -> None:
    info = b'{"features": {}}'
    shards = listed(
        root,
        **{
            "dataset_dict.json": b'{"splits": ["train"]}',
            "train/data-00000-of-00002.arrow": as_arrow(ROWS[:30], is_file=False),
            "train/data-00001-of-00002.arrow": as_arrow(ROWS[30:], is_file=False),
            "train/cache-1b2.arrow": as_arrow(ROWS[:9], is_file=False),
            "train/state.json": info,
            "train/dataset_info.json": info,
        },
    )
    assert [(shard.name, shard.n_rows) for shard in shards] == [
        ("train/data-00000-of-00002.arrow", 30),
        ("train/data-00001-of-00002.arrow", 20),
    ]


def test_formats_are_not_mixed_in_one_contributor(root: Location) -> None:
    shards = {shard.name: shard.problem for shard in listed(root, **{"x.arrow": FILES["x.arrow"], "info.json": b"{}"})}
    assert shards["x.arrow"] is None
    assert "found JSON Lines beside Arrow" in str(shards["info.json"])


def test_markers_of_folders_are_no_data(root: Location) -> None:
    names = ["2026_$folder$", "2026/_SUCCESS", "2026/.x.csv.crc", "2026/x.csv", "empty", "2026/05_$folder$"]
    shards = listed(root, **{name: FILES["x.csv"] if name == "2026/x.csv" else b"" for name in names})
    assert [(shard.name, shard.problem) for shard in shards] == [("2026/x.csv", None)]
    root.child("b_$folder$").write_bytes(b"")
    assert list(list_contributors(source(root))) == ["a"]
    root.child("b.jsonl").write_bytes(FILES["x.jsonl"])
    with pytest.raises(ContractError, match=r"belong to no contributor: b\.jsonl"):
        list_contributors(source(root))


def test_contributors_by_column_in_any_format(root: Location) -> None:
    rows = [row | {"who": "ab"[number % 2]} for number, row in enumerate(ROWS)]
    for number, content in enumerate((as_json(rows), as_csv(rows), as_arrow(rows, is_file=True))):
        below = root.child(str(number))
        below.child(("x.jsonl", "x.csv", "x.arrow")[number]).write_bytes(content)
        by_column = source(below, layout="column", contributor_column="who")
        found = list_contributors(by_column)
        assert {name: shards[0].n_rows for name, shards in found.items()} == {"a": 25, "b": 25}
        batches = stream_rows(found["b"], by_column, "text-classification")
        assert [row["text"] for batch in batches for row in batch.table.to_pylist()] == [row["text"] for row in ROWS[1::2]]


def test_a_target_of_any_format(root: Location) -> None:
    root.child("t.jsonl").write_bytes(FILES["x.jsonl"])
    (shard,) = list_target(SourceConfig(contributors=root.url, target=root.child("t.jsonl").url))
    assert shard.n_rows == 50
