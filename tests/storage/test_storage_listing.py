"""Listings: both layouts, hidden files, damaged shards kept with their problem, ambiguity refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mixval.config.source import SourceConfig
from mixval.errors import ContractError, ShardError, StorageError, TargetError
from mixval.storage.listing import list_contributors, list_target
from mixval.storage.root import Location, open_location
from tests.worlds import planted

Write = Callable[..., None]
NOT_UTF8 = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
ROWS = {"text": ["a", "b", "c"], "label": [0, 1, 0], "origin": ["real"] * 3}


def source(root: Location, **changes: object) -> SourceConfig:
    return SourceConfig(**({"contributors": root.child("in").url, "target": root.child("target").url} | changes))


def test_folders_hive_and_plain(root: Location, write_shard: Write) -> None:
    for name in ("contributor=b%20%C3%A4%2F..", "a", "contributor=c"):
        for part in ("part-1.parquet", "part-0.parquet", "origin=real/x.parquet"):
            write_shard(root.child("in", name, *part.split("/")), ROWS, 2)
    found = list_contributors(source(root))
    assert list(found) == ["a", "b ä/..", "c"]
    shards = found["b ä/.."]
    assert [shard.name for shard in shards] == ["origin=real/x.parquet", "part-0.parquet", "part-1.parquet"]
    assert [(shard.n_rows, shard.n_row_groups, shard.problem, shard.rows_of) for shard in shards] == [(3, 2, None, None)] * 3
    where = root.child("in", "contributor=b%20%C3%A4%2F..", "part-0.parquet")
    assert (shards[1].url, shards[1].size_bytes, shards[1].digest) == (where.url, where.size(), where.content_digest())


def test_hidden_things_are_not_data(root: Location, write_shard: Write) -> None:
    for name in (
        "a/_SUCCESS",
        "a/.part.crc",
        "a/_temporary/0/x.parquet",
        "a/README.md",
        "_delta_log/x.parquet",
        ".git/x.parquet",
    ):
        root.child("in", *name.split("/")).write_bytes(b"?")
    write_shard(root.child("in", "a", "_region=eu", "x.parquet"), ROWS)
    found = list_contributors(source(root))
    assert list(found) == ["a"]
    assert [shard.name for shard in found["a"]] == ["_region=eu/x.parquet"]


def test_a_contributor_without_shards_is_kept(root: Location, write_shard: Write) -> None:
    write_shard(root.child("in", "full", "x.parquet"), ROWS)
    root.child("in", "empty", "_SUCCESS").write_bytes(b"")
    assert {name: len(shards) for name, shards in list_contributors(source(root)).items()} == {"empty": 0, "full": 1}


def test_damaged_shards_are_listed_with_their_problem(root: Location, write_shard: Write) -> None:
    folder = root.child("in", "a")
    write_shard(folder.child("cut.parquet"), ROWS)
    folder.child("cut.parquet").write_bytes(folder.child("cut.parquet").read_bytes()[:-20])
    folder.child("empty.parquet").write_bytes(b"")
    folder.child("rows.txt").write_bytes(b"text,label\n")
    folder.child("text.parquet").write_bytes(b"this is no Parquet file at all")
    write_shard(folder.child("whole.parquet"), ROWS)
    shards = {shard.name: shard for shard in list_contributors(source(root))["a"]}
    assert shards.pop("whole.parquet").problem is None
    assert "another format" in str(shards["rows.txt"].problem)
    assert "rows.txt" in str(shards.pop("rows.txt").problem)
    for name, shard in shards.items():
        assert shard.n_rows == 0
        assert shard.problem is not None
        assert name in shard.problem
        assert shard.url in shard.problem
        assert "expected a Parquet file" in shard.problem


def test_a_footer_with_garbage_in_it_is_a_problem_not_a_crash(root: Location, write_shard: Write) -> None:
    folder = root.child("in", "a")
    write_shard(folder.child("x.parquet"), ROWS)
    data = folder.child("x.parquet").read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    folder.child("x.parquet").write_bytes(data[: -8 - length] + b"\xff" * length + data[-8:])
    (shard,) = list_contributors(source(root))["a"]
    assert "cannot be read" in str(shard.problem)


def test_files_that_belong_to_nobody_are_refused_but_not_the_target(root: Location, write_shard: Write) -> None:
    write_shard(root.child("in", "a", "x.parquet"), ROWS)
    write_shard(root.child("in", "test.parquet"), ROWS)
    with pytest.raises(ContractError, match=r"belong to no contributor: test.parquet"):
        list_contributors(source(root))
    assert list(list_contributors(source(root, target=root.child("in", "test.parquet").url))) == ["a"]


def test_the_target_below_the_contributors_is_nobody(root: Location, write_shard: Write) -> None:
    for name in ("a", "test"):
        write_shard(root.child("in", name, "x.parquet"), ROWS)
    assert list(list_contributors(source(root, target=root.child("in", "test").url))) == ["a"]


def test_column_layout(root: Location, write_shard: Write) -> None:
    who = pa.array(["b", "a", "b", "c/../x"]).dictionary_encode()
    write_shard(root.child("in", "0.parquet"), {"who": who, "text": list("wxyz")}, 2)
    write_shard(root.child("in", "1.parquet"), {"who": ["a", "a"], "text": list("uv")})
    found = list_contributors(source(root, layout="column", contributor_column="who"))
    assert {name: [(s.name, s.rows_of, s.n_rows) for s in shards] for name, shards in found.items()} == {
        "a": [("0.parquet", "a", 1), ("1.parquet", "a", 2)],
        "b": [("0.parquet", "b", 2)],
        "c/../x": [("0.parquet", "c/../x", 1)],
    }


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"text": ["a"]}, "one column 'who' is expected to name the contributor, found text"),
        ({"who": ["a", None]}, "found 1 rows without one"),
        ({"who": [["a"]]}, "must be string to name contributors, found list"),
        ({"who": NOT_UTF8}, r"must be string to name contributors, found string \(Invalid UTF8"),
    ],
)
def test_column_layout_names_what_is_wrong(root: Location, write_shard: Write, columns: dict[str, object], words: str) -> None:
    write_shard(root.child("in", "0.parquet"), columns)
    with pytest.raises(ShardError, match=words) as caught:
        list_contributors(source(root, layout="column", contributor_column="who"))
    assert caught.value.shard == root.child("in", "0.parquet").url


def test_the_target_is_a_file_or_a_folder(root: Location, write_shard: Write) -> None:
    write_shard(root.child("target", "b.parquet"), ROWS)
    write_shard(root.child("target", "a.parquet"), ROWS)
    assert [shard.name for shard in list_target(source(root))] == ["a.parquet", "b.parquet"]
    (one,) = list_target(source(root, target=root.child("target", "b.parquet").url))
    assert (one.name, one.n_rows) == ("b.parquet", 3)


def test_nothing_there_is_told(root: Location) -> None:
    with pytest.raises(StorageError, match="nothing is there"):
        list_contributors(source(root))
    with pytest.raises(StorageError, match="nothing is there"):
        list_target(source(root))
    root.child("in", "_x").write_bytes(b"")
    root.child("target", "x.csv").write_bytes(b"")
    with pytest.raises(ContractError, match="expected one folder a contributor"):
        list_contributors(source(root))
    with pytest.raises(TargetError, match=r"found no readable one: shard 'x.csv'"):
        list_target(source(root))


class _Guarded(MemoryFileSystem):
    """A store in which files called `secret.parquet` may be listed but not read."""

    protocol = "guarded"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(MemoryFileSystem._strip_protocol(path.removeprefix("guarded://")))

    def _open(self, path: str, *args: object, **options: object) -> object:
        if path.endswith("secret.parquet"):
            raise PermissionError(f"not for you: {path}")
        return super()._open(path, *args, **options)


def test_a_shard_that_may_not_be_read_is_its_contributors_problem(write_shard: Write) -> None:
    fsspec.register_implementation("guarded", _Guarded, clobber=True)
    root = open_location(f"guarded://{uuid.uuid4().hex}")
    open_shards = open_location(root.url.replace("guarded", "memory"))  # the same store, by its other door
    for name in ("secret", "open"):
        write_shard(open_shards.child("in", "a", f"{name}.parquet"), ROWS)
    write_shard(open_shards.child("in", "b", "x.parquet"), ROWS)
    found = list_contributors(source(root))
    by_name = {shard.name: shard.problem for shard in found["a"]}
    assert "access is denied" in str(by_name["secret.parquet"])
    assert by_name["open.parquet"] is None
    assert found["b"][0].problem is None


def test_a_changed_shard_has_another_digest(root: Location, write_shard: Write) -> None:
    file = root.child("in", "a", "x.parquet")
    write_shard(file, ROWS)
    before = list_contributors(source(root))["a"][0].digest
    write_shard(file, ROWS | {"label": [0, 1, 1]})
    assert list_contributors(source(root))["a"][0].digest != before


def test_contributors_by_name_are_a_folder_or_a_file_each(tmp_path: Path) -> None:
    world = planted(tmp_path, "language-modelling")
    file = world.source / "contributor=far" / "part-0.parquet"
    source = SourceConfig(
        contributors={"../far": str(file), "near": str(world.source / "contributor=near")}, target=str(tmp_path / "target")
    )
    listed = list_contributors(source)
    assert {name: [(one.name, one.n_rows) for one in shards] for name, shards in listed.items()} == {
        "../far": [("part-0.parquet", 12)],
        "near": [("part-0.parquet", 60)],
    }
    with pytest.raises(ContractError, match="expected a name for each URL"):
        list_contributors(source.model_copy(update={"contributors": {" ": str(file)}}))
    nowhere = {"a": str(tmp_path / "nowhere")}
    with pytest.raises(StorageError, match="nowhere"):
        list_contributors(source.model_copy(update={"contributors": nowhere}))
    (missing,) = list_contributors(source.model_copy(update={"contributors": nowhere | {"near": str(file)}}))["a"]
    assert "nothing is there" in str(missing.problem)
