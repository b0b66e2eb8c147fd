"""What was listed is what is read: a file that is changed before or while it is read gives no rows under its old name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from mixval.config.source import SourceConfig
from mixval.contracts.batches import RowBatch
from mixval.errors import ChangedFileError, StorageError
from mixval.storage.held import held
from mixval.storage.listing import list_contributors
from mixval.storage.root import Location, open_location
from mixval.storage.shards import stream_rows

N = 400
Change = Callable[[Location, bytes], None]


def table(word: str) -> pa.Table:
    return pa.table({"text": [f"{word} {i:04d}" for i in range(N)], "label": [i % 2 for i in range(N)]})


def parquet(path: Path, word: str) -> None:
    pq.write_table(table(word), path, row_group_size=50, compression="none", use_dictionary=False)


def arrow(path: Path, word: str) -> None:
    with pa.ipc.new_file(path, table(word).schema) as file:
        file.write_table(table(word), max_chunksize=50)


def stream(path: Path, word: str) -> None:
    with pa.ipc.new_stream(path, table(word).schema) as file:
        file.write_table(table(word), max_chunksize=50)


def comma(path: Path, word: str) -> None:
    pc.write_csv(table(word), path)


def lines(path: Path, word: str) -> None:
    path.write_text("".join(f'{{"text": "{row["text"]}", "label": {row["label"]}}}\n' for row in table(word).to_pylist()))


FORMATS = {"x.parquet": parquet, "x.arrow": arrow, "y.arrow": stream, "x.csv": comma, "x.jsonl": lines}


def rewritten(location: Location, other: bytes) -> None:
    location.write_bytes(other)


def relabelled(location: Location, other: bytes) -> None:
    """In place, with the size and the time that the file had."""
    if (path := location.local_path()) is None:
        location.write_bytes(other)
        return
    before = path.stat()
    assert len(other) == before.st_size
    with path.open("r+b") as file:
        file.write(other)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(location: Location, _: bytes) -> None:
    if (path := location.local_path()) is None:
        location.write_bytes(location.read_bytes()[:-7])
    else:
        os.truncate(path, path.stat().st_size - 7)


def deleted(location: Location, _: bytes) -> None:
    location.delete()


CHANGES: dict[str, Change] = {one.__name__: one for one in (rewritten, relabelled, cut, deleted)}


def source_of(root: Location) -> SourceConfig:
    return SourceConfig(contributors=root.url, target="memory://none", origin="real")


def content(tmp_path: Path, name: str, word: str) -> bytes:
    FORMATS[name](tmp_path / name, word)
    return (tmp_path / name).read_bytes()


def opened(root: Location, tmp_path: Path, name: str) -> tuple[Location, bytes, bytes, Callable[[], Iterator[RowBatch]]]:
    """A listed shard, its content, another one of the same size, and what streams the rows that were listed."""
    first, other = (content(tmp_path, name, word) for word in ("heron", "otter"))
    location = root.child("a", name)
    location.write_bytes(first)
    shards = list_contributors(source_of(root))["a"]
    return location, first, other, lambda: stream_rows(shards, source_of(root), "text-classification", 50)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", FORMATS)
def test_a_shard_that_changed_since_it_was_listed_gives_no_row(root: Location, tmp_path: Path, name: str, change: str) -> None:
    location, first, other, rows = opened(root, tmp_path, name)
    CHANGES[change](location, other)
    with pytest.raises(ChangedFileError, match="as it was listed") as caught:
        next(rows())
    assert location.url in str(caught.value)
    location.write_bytes(first)
    assert sum(batch.table.num_rows for batch in rows()) == N


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", FORMATS)
def test_a_shard_that_changes_while_it_is_read_is_not_read_to_its_end(tmp_path: Path, name: str, change: str) -> None:
    """Whether its reader stumbles or reads on. A handle stays with its file: one replaced or removed was read as it was."""
    location, _, other, rows = opened(open_location(tmp_path / "in"), tmp_path, name)
    batches = rows()
    next(batches)
    CHANGES[change](location, other)
    with pytest.raises(StorageError) as caught:
        list(batches)
    assert isinstance(caught.value, ChangedFileError) == (change in ("relabelled", "cut"))
    assert location.url in str(caught.value)


def test_a_reader_that_has_enough_asks_no_more(root: Location, tmp_path: Path) -> None:
    location, _, other, rows = opened(root, tmp_path, "x.parquet")
    batches = rows()
    next(batches)
    rewritten(location, other)
    batches.close()  # type: ignore[attr-defined]  # a generator; raises nothing, though the file has changed
    assert next(batches, None) is None


def test_a_settled_file_is_looked_at_and_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    monkeypatch.setattr("mixval.storage.held._SETTLED_SECONDS", -3600.0)  # as if the file were old
    with held(open_location(tmp_path / "x")) as content:
        monkeypatch.setattr(content, "_hashed", lambda: pytest.fail("hashed again"))
        assert content.source().read() == b"abc"


def test_two_readers_of_one_file_do_not_move_each_other(root: Location) -> None:
    root.child("x").write_bytes(bytes(range(100)))
    with held(root.child("x")) as content:
        one, other = content.source(), content.source()
        assert (one.read(10), other.read(20), one.read(5)) == (bytes(range(10)), bytes(range(20)), bytes(range(10, 15)))
        one.close()
        assert other.read() == bytes(range(20, 100))
    assert content.digest == root.child("x").content_digest()
