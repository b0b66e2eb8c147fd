"""What strangers may lay into their folders: every kind is its contributor's problem, told in words that can be stored."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.torture.hostile import HOSTILE, MOST_FILES, SAVED, lay_out_hostile, rows
from benchmarks.torture.world import CONTRIBUTORS, config_of, lay_out
from mixval.config.source import LimitsConfig, SourceConfig
from mixval.contracts.plan import ShardRef
from mixval.errors import ChangedFileError, NotAFileError, ShardError, StorageError, TouchedFileError
from mixval.storage import shard_refs
from mixval.storage.formats import open_shard
from mixval.storage.held import held
from mixval.storage.listing import list_contributors
from mixval.storage.local import open_regular
from mixval.storage.root import Location, open_location
from mixval.storage.shards import stream_rows

Write = Callable[..., None]


def listed(folder: Path, **changes: Any) -> dict[str, list[ShardRef]]:
    return list_contributors(SourceConfig(contributors=str(folder), target=str(folder / "target"), **changes))


def problems(folder: Path, name: str = "a", **changes: Any) -> list[str | None]:
    return [shard.problem for shard in listed(folder, **changes)[name]]


@pytest.fixture
def part(tmp_path: Path) -> Callable[..., Path]:
    """Writes a whole shard of a contributor `a`, or of another folder."""

    def write(name: str = "a/x.parquet") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pa.parquet.write_table(rows(len(name)), path)
        return path

    return write


def test_each_kind_is_its_contributors_problem_in_words_that_can_be_stored(tmp_path: Path) -> None:
    lay_out(tmp_path)
    hostile = {one.name: one for one in lay_out_hostile(tmp_path)}
    found = list_contributors(config_of(tmp_path, tmp_path / "out", "exact", **HOSTILE).source)
    assert set(found) == {*CONTRIBUTORS, *hostile}
    for name, shards in found.items():
        said = [shard.problem for shard in shards if shard.problem]
        if name in CONTRIBUTORS:
            assert not said
        elif not name.startswith(("two-", "no-column", "wide-")):  # whose files can be read, so that the gate sees them
            assert any(hostile[name].words in words for words in said), (name, said)
        stored = [name, *(text for shard in shards for text in (shard.url, shard.name, shard.problem or ""))]
        assert json.loads(json.dumps(stored, ensure_ascii=False).encode()) == pa.array(stored, pa.string()).to_pylist()


def test_two_folders_for_one_name_are_both_named_and_neither_is_read(root: Location, write_shard: Write) -> None:
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    for folder in ("a b", "contributor=a%20b", composed, apart, "other"):
        write_shard(root.child("in", folder, "x.parquet"), rows(1))
    found = list_contributors(SourceConfig(contributors=root.child("in").url, target=root.child("target").url))
    assert set(found) == {"a b", composed, apart, "other"}
    assert [shard.name for shard in found["a b"]] == ["a b", "contributor=a%20b"]
    for name, both in {"a b": ("'a b'", "'contributor=a%20b'"), composed: ("'\\xe9'", "'e\\u0301'")}.items():
        assert all(folder in str(shard.problem) for shard in found[name] for folder in both)
    assert "'e\\u0301'" in str(found[apart][0].problem)
    assert found["other"][0].problem is None


def test_a_link_to_a_file_in_the_same_folder_is_that_file(tmp_path: Path, part: Callable[..., Path]) -> None:
    part("a/.blobs/0123").parent.joinpath("0123").rename(tmp_path / "a/.blobs/4567")
    (tmp_path / "a/x.parquet").symlink_to(".blobs/4567")
    (shard,) = listed(tmp_path)["a"]
    assert (shard.problem, shard.n_rows) == (None, 24)
    with open_shard(shard, SourceConfig(contributors="a", target="b").storage) as opened:
        assert opened.n_rows == 24


def test_links_are_followed_wherever_they_lead_where_that_is_asked_for(tmp_path: Path, part: Callable[..., Path]) -> None:
    part("elsewhere/deep/y.parquet")
    source = tmp_path / "source"
    for name in ("a", "b", "round"):
        (source / name).mkdir(parents=True)
    (source / "a/x.parquet").symlink_to(tmp_path / "elsewhere/deep/y.parquet")
    (source / "b/more").symlink_to(tmp_path / "elsewhere")
    (source / "linked").symlink_to(tmp_path / "elsewhere")
    (source / "round/again").symlink_to(".")
    assert all("link" in str(shards[0].problem) for shards in listed(source).values())
    found = listed(source, follow_links=True)
    assert [shard.problem for name in ("a", "b", "linked") for shard in found[name]] == [None] * 3
    assert found["b"][0].name == "more/deep/y.parquet"
    assert "levels" in str(found["round"][0].problem)
    (source / "a/zero.parquet").symlink_to("/dev/zero")
    assert "found a device" in str(problems(source, follow_links=True)[1])


def test_what_was_exchanged_after_the_listing_is_refused_at_once(tmp_path: Path, part: Callable[..., Path]) -> None:
    file = part()
    (shard,) = listed(tmp_path)["a"]
    file.unlink()
    os.mkfifo(file)
    with (
        pytest.raises(StorageError, match="found a FIFO"),
        open_shard(shard, SourceConfig(contributors="a", target="b").storage),
    ):
        pass


def test_no_link_is_followed_out_of_the_folder_even_when_it_came_after_the_walk(
    tmp_path: Path, part: Callable[..., Path]
) -> None:
    outside, folder = part("elsewhere/x.parquet"), open_location(tmp_path / "a")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.parquet").symlink_to(outside)
    (tmp_path / "a/sub").symlink_to(outside.parent)
    for name in ("x.parquet", "sub/x.parquet"):
        with pytest.raises(StorageError, match="leads out of it"), held(folder.below(name), below=folder):
            pass
    part("a/own/x.parquet")
    with held(folder.below("own/x.parquet"), below=folder) as file:
        assert file.size_bytes > 0


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.parquet"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(NotAFileError, match="expected a regular file"):
        open_regular(path)
    with pytest.raises(NotAFileError):
        open_location(path).read_bytes()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"files": 3}, "at most 3 files"),
        ({"levels": 1}, "at most 1 levels"),
        ({"file_bytes": 10}, "in a file"),
        ({"total_bytes": 10}, "of files"),
    ],
)
def test_a_folder_beyond_a_limit_is_refused_unread(root: Location, write_shard: Write, limits: dict, words: str) -> None:
    for name in ("a/1/x.parquet", "a/1/2/x.parquet", "a/y.parquet", "a/z.parquet"):
        write_shard(root.child("in", *name.split("/")), rows(1))
    source = SourceConfig(contributors=root.child("in").url, target=root.child("target").url)
    assert [shard.problem for shard in list_contributors(source)["a"]] == [None] * 4
    limited = source.model_copy(update={"limits": LimitsConfig(**limits)})
    shards = list_contributors(limited)["a"]
    assert all(words in str(shard.problem) and f"source.limits.{next(iter(limits))}" in str(shard.problem) for shard in shards)
    assert {shard.digest for shard in shards} == {"unreadable"}


def test_hidden_files_count_against_the_limit(tmp_path: Path, part: Callable[..., Path]) -> None:
    part()
    for number in range(MOST_FILES):
        (tmp_path / f"a/.{number}").touch()
    assert problems(tmp_path) == [None]
    assert "files" in str(problems(tmp_path, limits=LimitsConfig(files=MOST_FILES))[0])


def test_a_file_that_is_touched_all_the_time_is_its_contributors_problem(
    tmp_path: Path, part: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = part()
    part("b/x.parquet")
    opens = shard_refs.open_format

    def touching(file: Any) -> Any:
        if file.location.local_path() == touched:
            os.utime(touched, ns=(1, touched.stat().st_mtime_ns + 10**9))
        return opens(file)

    with pytest.raises(TouchedFileError, match="left alone"), held(open_location(touched)) as file:
        touching(file)
    monkeypatch.setattr(shard_refs, "open_format", touching)
    found = listed(tmp_path)
    assert "left alone" in str(found["a"][0].problem)
    assert found["b"][0].problem is None


def test_a_file_that_grows_while_it_is_read_has_an_end(tmp_path: Path, part: Callable[..., Path]) -> None:
    path = part()
    whole = path.stat().st_size

    def read_while_it_grows() -> None:
        with held(open_location(path)) as file:
            with path.open("ab") as more:
                more.write(b"more")
            assert (file.size_bytes, len(file.source().read())) == (whole, whole)

    with pytest.raises(ChangedFileError, match="while it was read"):
        read_while_it_grows()


ODD = ("", "\n", "__index_level_0__", "a.b", "image.bytes", "text.x", "'; DROP TABLE", "\x1b[2J", "\u202e", "n" * 5000)
"""Names of columns that mean nothing to anybody, and are not read."""


@pytest.mark.parametrize("ending", sorted(SAVED))
def test_columns_that_are_not_read_may_have_any_name(tmp_path: Path, ending: str) -> None:
    table = rows(1)
    for name in ODD:
        table = table.append_column(name, table["text"])
    (tmp_path / "a").mkdir()
    SAVED[ending](table, tmp_path / f"a/x.{ending}")
    source = SourceConfig(contributors=str(tmp_path), target="t")
    shards = list_contributors(source)["a"]
    (batch,) = stream_rows(shards, source, "language-modelling")
    assert batch.table["text"].to_pylist() == table["text"].to_pylist()


@pytest.mark.parametrize("ending", sorted(SAVED))
@pytest.mark.parametrize("column", ["id", "text", "origin", "other"])
def test_a_column_that_is_there_twice_is_refused_where_it_is_read(tmp_path: Path, ending: str, column: str) -> None:
    table = rows(1)
    for _ in range(2 - (column in table.column_names)):
        table = table.append_column(column, table["text"])
    (tmp_path / "a").mkdir()
    SAVED[ending](table, tmp_path / f"a/x.{ending}")
    source = SourceConfig(contributors=str(tmp_path), target="t")
    shards = list_contributors(source)["a"]
    if column == "other" and ending != "jsonl":  # pyarrow reads no JSON in which a name stands twice
        assert sum(batch.table.num_rows for batch in stream_rows(shards, source, "language-modelling")) == 24
        return
    with pytest.raises(ShardError, match=f"column '{column}' is expected once.* 2 times|specified twice"):
        list(stream_rows(shards, source, "language-modelling"))


@pytest.mark.parametrize("ending", sorted(SAVED))
def test_thousands_of_columns_are_refused_in_a_short_sentence(tmp_path: Path, ending: str) -> None:
    wide = pa.table({f"column-{number}": pa.nulls(2, pa.string()) for number in range(3_000)})
    (tmp_path / "a").mkdir()
    SAVED[ending](wide, tmp_path / f"a/x.{ending}")
    source = SourceConfig(contributors=str(tmp_path), target="t")
    with pytest.raises(ShardError, match=r"found column-0, .*3,000 in all") as caught:
        list(stream_rows(list_contributors(source)["a"], source, "language-modelling"))
    assert len(str(caught.value)) < 1_000


def test_a_name_of_contributors_that_stands_twice_is_refused(tmp_path: Path) -> None:
    table = rows(1).append_column("who", rows(1)["origin"]).append_column("who", rows(1)["origin"])
    pa.parquet.write_table(table, tmp_path / "x.parquet")
    source = SourceConfig(contributors=str(tmp_path), target="t", layout="column", contributor_column="who")
    with pytest.raises(ShardError, match="one column 'who' is expected to name the contributor"):
        list_contributors(source)
