"""Locations: names are checked, writes are whole, failures are worded, the same on disk and in memory."""

from __future__ import annotations

import errno
import os
import pickle
import threading
from pathlib import Path

import pytest

from mixval.config.source import StorageConfig
from mixval.errors import StorageError
from mixval.storage import local
from mixval.storage.root import Location, open_location


def test_written_bytes_are_read_back(root: Location) -> None:
    file = root.child("a", "b.bin")
    file.write_bytes(b"first")
    file.write_bytes(b"second")
    assert file.read_bytes() == b"second"
    assert (file.size(), file.is_file(), file.exists(), file.name) == (6, True, True, "b.bin")
    assert not root.child("a").is_file()
    with file.open() as opened:
        opened.seek(3)
        assert opened.read() == b"ond"


def test_listings_are_sorted_and_relative(root: Location) -> None:
    for name in ("b/2.parquet", "b/1.parquet", "a/x.csv", "0.parquet", "b/c/3.parquet"):
        root.child(*name.split("/")).write_bytes(b"x")
    assert root.folders() == ["a", "b"]
    assert [file.relative_name(root) for file in root.files(".parquet")] == [
        "0.parquet",
        "b/1.parquet",
        "b/2.parquet",
        "b/c/3.parquet",
    ]
    assert [file.name for file in root.child("b").files(recursive=False)] == ["1.parquet", "2.parquet"]


def test_write_if_absent_has_one_winner(root: Location) -> None:
    file, gate, won = root.child("once"), threading.Barrier(8), []

    def race(number: int) -> None:
        gate.wait()
        if file.write_if_absent(str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert file.read_bytes() == str(won[0]).encode()
    assert [entry.name for entry in root.files()] == ["once"]


def test_write_if_absent_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    assert local.create_file(tmp_path / "x", b"1")
    assert not local.create_file(tmp_path / "x", b"2")
    assert (tmp_path / "x").read_bytes() == b"1"
    assert os.listdir(tmp_path) == ["x"]


def test_digest_names_the_content(root: Location) -> None:
    one, other = root.child("one"), root.child("other")
    one.write_bytes(b"same" * 600_000)
    other.write_bytes(b"same" * 600_000)
    assert one.content_digest() == other.content_digest()
    other.write_bytes(b"same" * 599_999 + b"sama")
    assert one.content_digest() != other.content_digest()


def test_deleting(root: Location) -> None:
    file = root.child("x")
    file.write_bytes(b"x")
    file.delete()
    assert not file.exists()
    file.delete(missing_ok=True)
    with pytest.raises(StorageError, match="nothing is there"):
        file.delete()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc", "a/b", "a\\b", "a\0b"])
def test_names_that_are_no_segment_are_refused(root: Location, name: str) -> None:
    with pytest.raises(StorageError, match="expected the name of one file or folder"):
        root.child(name)


@pytest.mark.parametrize("act", ["read_bytes", "size", "open", "folders", "files", "content_digest", "is_file"])
def test_missing_is_told_with_its_url(root: Location, act: str) -> None:
    missing = root.child("no", "such")
    with pytest.raises(StorageError, match="nothing is there") as caught:
        getattr(missing, act)()
    assert missing.url in str(caught.value)
    assert caught.value.__cause__ is not None
    assert not missing.exists()


def test_writing_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StorageError, match="expected to write a file, but a folder stands where a file"):
        open_location(tmp_path).child("file", "below").write_bytes(b"x")
    assert not open_location(tmp_path).child("file", "below").exists()


def test_urls_are_normalised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        open_location("data/../data/x") == open_location(f"file://{tmp_path}/data/x") == open_location(tmp_path / "data" / "x")
    )
    assert open_location("data").local_path() == tmp_path / "data"
    assert open_location("memory://a/b/").url == "memory://a/b"
    assert open_location("memory://a").local_path() is None
    assert open_location("s3a://bucket/x/").url == "s3://bucket/x"
    assert open_location("/").child("tmp").url == "file:///tmp"


@pytest.mark.parametrize(
    ("url", "words"), [("", "expected a URL"), ("s3://", "expected a bucket"), ("memory://a/../b", "without")]
)
def test_urls_that_cannot_be_are_refused(url: str, words: str) -> None:
    with pytest.raises(StorageError, match=words):
        open_location(url)


def test_an_unknown_scheme_is_told() -> None:
    with pytest.raises(StorageError, match="found 'nosuch'"):
        open_location("nosuch://a/b").read_bytes()


def test_locations_are_values() -> None:
    location = open_location("s3://bucket/x", StorageConfig(region="eu-west-1"))
    assert pickle.loads(pickle.dumps(location)) == location
    assert len({location, open_location("s3://bucket/x", StorageConfig(region="eu-west-1"))}) == 1


def test_names_are_taken_literally(root: Location) -> None:
    for name in ("a%20b", "a b", "ä*?[x]#"):
        root.child(name, "f").write_bytes(name.encode())
    assert root.folders() == sorted(["a%20b", "a b", "ä*?[x]#"])
    assert [file.read_bytes().decode() for file in root.files()] == root.folders()
