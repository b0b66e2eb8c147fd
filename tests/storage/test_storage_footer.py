"""Footers: what they say of row groups, as pyarrow says it, and those over which pyarrow would end the process."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixval.config.source import SourceConfig
from mixval.errors import ContractError, ShardError
from mixval.storage.footer import MAX_FOOTER_BYTES, row_groups
from mixval.storage.formats import open_format
from mixval.storage.held import held
from mixval.storage.listing import list_contributors
from mixval.storage.root import Location
from mixval.storage.shards import stream_rows

Write = Callable[..., None]
OPTIONAL = b"\x15\x0c\x25\x02\x18\x04text"
"""A column of bytes that may be null, in the schema of a footer; the last number but the name's length says so."""


@pytest.mark.parametrize("statistics", [True, False])
def test_a_footer_says_what_pyarrow_says(statistics: bool) -> None:
    table = pa.table(
        {
            "text": [f"word {row:03}" for row in range(100)],
            "number": range(100),
            "nested": [[{"role": "user", "content": "é" * row}] for row in range(100)],
            **{f"c{at}": [None] * 100 for at in range(20)},  # lists of more than fourteen are written otherwise
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=3, write_statistics=statistics)
    metadata = pq.read_metadata(file)
    data = file.getvalue()
    groups = row_groups(lambda n, place: data[place : place + n], len(data))
    assert [group.n_rows for group in groups] == [3] * 33 + [1]
    for at, group in enumerate(groups):
        chunks = [metadata.row_group(at).column(column) for column in range(metadata.num_columns)]
        for own, one in zip(group.chunks, chunks, strict=True):
            assert own.n_values == one.num_values
            assert (own.uncompressed_bytes, own.compressed_bytes) == (one.total_uncompressed_size, one.total_compressed_size)
            assert (own.data_offset, own.dictionary_offset) == (one.data_page_offset, one.dictionary_page_offset)
            assert own.is_bytes == (one.physical_type == "BYTE_ARRAY")
        assert group.chunks[1].bounds is None
        of_text = chunks[0].statistics
        expected = (of_text.min.encode(), of_text.max.encode()) if statistics else None
        assert group.chunks[0].bounds == expected


def test_only_row_groups_that_may_hold_a_value_are_read(root: Location, write_shard: Write) -> None:
    who: list[Any] = ["a", "a", "b", "b", "b", "c", None, None]
    write_shard(root.child("x.parquet"), {"who": who, "row": range(8)}, 2)
    with held(root.child("x.parquet")) as file, open_format(file) as shard:
        read = [row for batch in shard.batches(["row"], 10, ("who", "b")) for row in batch.column("row").to_pylist()]
        assert read == [2, 3, 4, 5, 6, 7]
        assert sum(batch.num_rows for batch in shard.batches(["row"], 10, ("row", "b"))) == 8
        assert sum(batch.num_rows for batch in shard.batches(["row"], 10, ("elsewhere", "b"))) == 8


@pytest.mark.parametrize("layout", ["folders", "column"])
def test_a_footer_that_contradicts_itself_is_its_contributors_problem(root: Location, write_shard: Write, layout: str) -> None:
    file = root.child("a", "x.parquet") if layout == "folders" else root.child("x.parquet")
    write_shard(file, {"text": ["some", "words"], "who": ["a", "a"]})
    data = file.read_bytes()
    assert data.count(OPTIONAL) == 1
    # Never null by its schema, though a histogram counts those that are: pyarrow's RowGroupMetaData.column aborts.
    file.write_bytes(data.replace(OPTIONAL, OPTIONAL.replace(b"\x25\x02", b"\x25\x00")))
    source = SourceConfig(contributors=root.url, target="memory://t", origin="real", layout=layout, contributor_column="who")
    (shard,) = list_contributors(source)["a"]
    with pytest.raises(ShardError, match="expected a Parquet file, found one that cannot be read"):
        list(stream_rows([shard], source, "language-modelling"))


@pytest.mark.parametrize(
    ("footer", "words"),
    [
        (b"", "ends within"),
        (b"\x49\x1c", "ends within"),
        (b"\x4d\x00", "unknown kind 13"),
        (b"\x18\xff\x01ab", "ends within"),
        (b"\x16" + b"\xff" * 11, "number without an end"),
        (b"\x1c" * 40 + b"\x00" * 40, "structures in each other"),
    ],
)
def test_what_is_no_footer_is_told(footer: bytes, words: str) -> None:
    data = footer + len(footer).to_bytes(4, "little") + b"PAR1"
    with pytest.raises(ContractError, match=words):
        row_groups(lambda n, place: data[place : place + n], len(data))


def test_a_footer_that_would_take_minutes_is_refused_unread() -> None:
    data = bytes(70_000) + (MAX_FOOTER_BYTES + 1).to_bytes(4, "little") + b"PAR1"
    with pytest.raises(ContractError, match="fewer row groups"):
        row_groups(lambda n, place: data[place : place + n], len(data))
