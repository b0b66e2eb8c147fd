"""Listing an inbox and pinning what lies in it: odd names, files on their way, and files that change under the gate's eyes."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gate.scene import Gate, accepted, deliver, shard
from mixval.config.source import LimitsConfig
from mixval.contracts.ingestion import Delivery
from mixval.errors import ChangedFileError, ConfigError, StorageError
from mixval.lake.inbox import UPLOAD_SECONDS, InboxListing, list_inbox
from mixval.lake.staging import pin, repin
from mixval.storage.root import open_location


def inbox_of(gate: Gate) -> Path:
    return Path(gate.config.inbox)


def listed(gate: Gate) -> InboxListing:
    return list_inbox(gate.config)


def only(gate: Gate) -> Delivery:
    [found] = listed(gate).deliveries
    return found


def age(file: Path, seconds: float) -> None:
    """Make a file older than it is."""
    found = file.stat()
    os.utime(file, (found.st_atime, found.st_mtime - seconds))


def test_deliveries_are_files_of_contributors_by_name(gate: Gate) -> None:
    for name in ("contributor=a%2Fb/x.parquet", "beech/2026/01/y.parquet", "beech/z.parquet", "ü b/c=d.parquet"):
        deliver(gate.config, name, shard(name))
    found = listed(gate)
    assert [(one.contributor, one.name) for one in found.deliveries] == [
        ("beech", "beech/2026/01/y.parquet"),
        ("beech", "beech/z.parquet"),
        ("a/b", "contributor=a%2Fb/x.parquet"),
        ("ü b", "ü b/c=d.parquet"),
    ]
    assert found.waiting == found.blocked == found.ignored == ()
    assert all(open_location(one.url).size() == one.size_bytes for one in found.deliveries)


def test_names_that_are_no_data_are_recorded_with_the_reason(gate: Gate, tmp_path: Path) -> None:
    deliver(gate.config, "a/good.parquet", shard("a"))
    for name in ("a/_part.parquet", "_tmp/x.parquet", "a/.x.parquet", "stray.parquet", "contributor=/x.parquet"):
        deliver(gate.config, name, shard(name))
    folder = inbox_of(gate) / "a"
    (folder / "README.md").write_text("x")
    (folder / "x.xlsx").write_text("x")
    (folder / "_SUCCESS").write_text("")
    os.mkfifo(folder / "pipe.parquet")
    (folder / "link.parquet").symlink_to(folder / "good.parquet")
    (tmp_path / "elsewhere").mkdir()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.parquet")).write_bytes(b"x")
    found = listed(gate)
    assert [one.name for one in found.deliveries] == ["a/good.parquet"]
    assert found.waiting == ()
    reasons = {one.name: one.reason for one in found.ignored}
    for name, words in {
        "a/_part.parquet": "begins with",
        "_tmp/x.parquet": "begins with",
        "a/.x.parquet": "begins with",
        "a/_SUCCESS": "begins with",
        "contributor=/x.parquet": "names no contributor",
        "stray.parquet": "belongs to no contributor",
        "a/README.md": "description",
        "a/x.xlsx": "none of the formats",
        "a/pipe.parquet": "a FIFO",
        "a/link.parquet": "a link",
        "a/linked": "a link",
        "a/\\xff.parquet": "no UTF-8",
    }.items():
        assert words in reasons.pop(name), name
    assert reasons == {}


def test_contributors_that_deliver_too_much_wait_and_others_go_on(gate: Gate) -> None:
    limits = LimitsConfig(files=3, levels=2, file_bytes=2_000, total_bytes=4_500)
    for at in range(5):
        deliver(gate.config, f"many/{at}.parquet", shard("m", 1))
    deliver(gate.config, "deep/1/2/3/x.parquet", shard("d", 1))
    for name, size in {"large/x": 2_001, "heavy/0": 2_000, "heavy/1": 2_000, "heavy/2": 2_000}.items():
        file = inbox_of(gate) / f"{name}.parquet"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x" * size)
    deliver(gate.config, "good/1/x.parquet", shard("g", 1))
    found = list_inbox(gate.config.model_copy(update={"limits": limits}))
    assert [one.name for one in found.deliveries] == ["good/1/x.parquet"]
    blocked = {one.name: one.reason for one in found.blocked}
    assert {name: reason.split(" are")[0] for name, reason in blocked.items()} == {
        "deep/": "at most 2 levels of folders",
        "heavy/": "at most 4,500 bytes",
        "many/": "at most 3 files",
    }
    assert [(one.name, one.reason.split(" are")[0]) for one in found.ignored] == [("large/x.parquet", "at most 2,000 bytes")]


def test_a_folder_that_cannot_be_read_is_blocked_and_others_go_on(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/x.parquet", "b/1/y.parquet", "c/z.parquet"):
        deliver(gate.config, name, shard(name))
    closed, scandir = {str(inbox_of(gate) / "a"), str(inbox_of(gate) / "b" / "1")}, os.scandir

    def refused(path: Any) -> Any:  # whoever runs this may have the right to read everything
        if str(path) in closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    found = listed(gate)
    assert [one.name for one in found.deliveries] == ["c/z.parquet"]
    assert {one.name: "cannot be read (Permission denied)" in one.reason for one in found.blocked} == {"a/": True, "b/1/": True}
    assert found.ignored == found.waiting == ()


def test_two_folders_of_one_contributor_wait_and_others_go_on(gate: Gate) -> None:
    for name in ("contributor=a/x.parquet", "a/y.parquet", "b/z.parquet"):
        deliver(gate.config, name, shard(name))
    found = listed(gate)
    assert [one.name for one in found.deliveries] == ["b/z.parquet"]
    assert [one.name for one in found.blocked] == ["a/y.parquet", "contributor=a/x.parquet"]
    assert "two folders name the contributor 'a': 'a', 'contributor=a'" in found.blocked[0].reason


def test_two_folders_whose_names_look_alike_wait(gate: Gate) -> None:
    deliver(gate.config, "caf\u00e9/x.parquet", shard("x"))
    deliver(gate.config, "contributor=cafe%CC%81/y.parquet", shard("y"))
    found = listed(gate)
    assert found.deliveries == ()
    assert {one.name for one in found.blocked} == {"caf\u00e9/x.parquet", "contributor=cafe%CC%81/y.parquet"}
    assert r"'caf\xe9', 'contributor=cafe%CC%81'. Rename one" in found.blocked[0].reason


def test_a_file_on_its_way_waits_and_one_that_was_left_is_delivered(gate: Gate) -> None:
    deliver(gate.config, "a/whole.parquet", shard("a"))
    half, lines = inbox_of(gate) / "a" / "half.parquet", inbox_of(gate) / "a" / "lines.csv"
    half.write_bytes((inbox_of(gate) / "a" / "whole.parquet").read_bytes()[:-100])
    lines.write_text("text,label\na,1\n")
    found = listed(gate)
    assert [one.name for one in found.deliveries] == ["a/whole.parquet"]
    assert {one.name: "not complete yet" in one.reason for one in found.waiting} == {
        "a/half.parquet": True,
        "a/lines.csv": False,
    }
    for file in (half, lines):
        age(file, UPLOAD_SECONDS + 5)
    found = listed(gate)
    assert [one.name for one in found.deliveries] == ["a/half.parquet", "a/lines.csv", "a/whole.parquet"]
    age(half, -10 * UPLOAD_SECONDS)  # as by a clock that is ahead
    assert len(listed(gate).deliveries) == 3


@pytest.mark.parametrize(
    ("places", "inner", "outer"),
    [
        ({"state": "inbox/state"}, "state", "inbox"),
        ({"table": "inbox"}, "", ""),
        ({"inbox": "table/inbox"}, "inbox", "table"),
        ({"inbox": "state/inbox"}, "inbox", "state"),
        ({"state": "table/state"}, "state", "table"),
        ({"target": "inbox/target"}, "target", "inbox"),
        ({"state": "linked/state"}, "state", "inbox"),
    ],
)
def test_places_that_are_not_apart_are_refused(
    gate: Gate, tmp_path: Path, places: dict[str, str], inner: str, outer: str
) -> None:
    (tmp_path / "linked").symlink_to(inbox_of(gate))
    config = gate.config.model_copy(update={name: str(tmp_path / place) for name, place in places.items()})
    with pytest.raises(ConfigError, match=f"{inner}: expected inbox, table, state and target side by side, .*{outer}"):
        list_inbox(config)
    list_inbox(gate.config.model_copy(update={"state": str(tmp_path / "inbox-state")}))


def test_an_inbox_that_is_missing_is_said_and_an_empty_one_is_not(gate: Gate) -> None:
    assert listed(gate) == InboxListing((), (), (), ())
    inbox_of(gate).rmdir()
    with pytest.raises(StorageError, match="nothing is there"):
        listed(gate)


def test_a_pinned_copy_is_the_delivery_whatever_becomes_of_it(gate: Gate) -> None:
    file = deliver(gate.config, "a/x.parquet", shard("one"))
    was, pinned = file.read_bytes(), pin(only(gate), gate.config, gate.ledger)
    deliver(gate.config, "a/x.parquet", shard("two"))
    second = pin(only(gate), gate.config, gate.ledger)
    file.delete()
    assert (pinned.supersedes, second.supersedes) == (None, pinned.digest)
    assert second.digest != pinned.digest
    assert open_location(pinned.url).read_bytes() == was
    assert repin(pinned.digest, "a/x.parquet", gate.ledger).url == pinned.url


def test_bytes_that_come_again_are_the_same_delivery(gate: Gate) -> None:
    deliver(gate.config, "a/x.parquet", shard("one"))
    deliver(gate.config, "b/y.parquet", shard("one"))
    first, second = (pin(one, gate.config, gate.ledger) for one in listed(gate).deliveries)
    assert first.digest == second.digest
    assert first.url == second.url
    deliver(gate.config, "b/y.parquet", shard("one"), compression="gzip")
    assert pin(listed(gate).deliveries[1], gate.config, gate.ledger).digest != first.digest  # other bytes are another delivery


def _overwritten(file: Path) -> None:
    file.write_bytes(b"x" * file.stat().st_size)


def _replaced(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    other.rename(file)


def _removed(file: Path) -> None:
    file.unlink()


def _linked(file: Path) -> None:
    file.rename(file.with_name("moved.parquet"))
    file.symlink_to(file.with_name("moved.parquet"))


def _piped(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("change", [_overwritten, _replaced, _removed, _linked, _piped])
def test_what_changes_between_listing_and_reading_waits(gate: Gate, change: Callable[[Path], None]) -> None:
    deliver(gate.config, "a/x.parquet", shard("one"))
    delivery = only(gate)
    change(inbox_of(gate) / "a" / "x.parquet")
    with pytest.raises(ChangedFileError, match=r"x\.parquet: expected the file that was listed"):
        pin(delivery, gate.config, gate.ledger)
    state = Path(gate.config.state)
    assert [file for file in state.rglob("*") if file.is_file()] == []


def test_what_changes_while_it_is_copied_waits(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file grows when its end is reached, as one does whose upload goes on."""
    deliver(gate.config, "a/x.parquet", shard("one"))
    delivery, file = only(gate), inbox_of(gate) / "a" / "x.parquet"
    with file.open("ab") as more:
        before = os.fstat

        def grown(handle: int) -> os.stat_result:
            found = before(handle)
            if found.st_size == delivery.size_bytes and found.st_ino == file.stat().st_ino:
                more.write(b"more")
                more.flush()
            return found

        monkeypatch.setattr(os, "fstat", grown)
        with pytest.raises(ChangedFileError, match="changed while it was copied"):
            pin(delivery, gate.config, gate.ledger)


def test_a_version_that_was_pinned_is_not_read_again(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(gate.config, "a/x.parquet", shard("one"))
    delivery, now = only(gate), time.time()
    assert pin(delivery, gate.config, gate.ledger)
    assert gate.ledger.known_content(delivery) is None  # changed a moment ago: another content could have the same times
    deliver(gate.config, "a/x.parquet", shard("two"))
    delivery = only(gate)
    monkeypatch.setattr(time, "time", lambda: now + 100)
    pinned = pin(delivery, gate.config, gate.ledger)
    assert gate.ledger.known_content(delivery) == (pinned.digest, pinned.supersedes)
    (inbox_of(gate) / "a" / "x.parquet").unlink()
    assert pin(delivery, gate.config, gate.ledger) == pinned
    copy = open_location(pinned.url)
    copy.write_bytes(b"x" * copy.size())
    with pytest.raises(ChangedFileError, match="it was removed"):  # so it would be read again
        pin(delivery, gate.config, gate.ledger)
    gate.ledger.decide(accepted(pinned, 0, None, 10, "reject"))
    assert pin(delivery, gate.config, gate.ledger) == pinned  # whose bytes nobody will read


def test_a_copy_that_is_damaged_is_made_again_and_one_that_is_gone_is_said(gate: Gate) -> None:
    deliver(gate.config, "a/x.parquet", shard("one"))
    pinned = pin(only(gate), gate.config, gate.ledger)
    copy = open_location(pinned.url)
    good = copy.read_bytes()
    copy.write_bytes(good[:-1] + b"x")
    with pytest.raises(ChangedFileError, match="found other bytes"):
        repin(pinned.digest, "a/x.parquet", gate.ledger)
    assert pin(only(gate), gate.config, gate.ledger) == pinned
    assert copy.read_bytes() == good
    copy.delete()
    with pytest.raises(ChangedFileError, match="found nothing"):
        repin(pinned.digest, "a/x.parquet", gate.ledger)


def test_what_a_killed_gate_left_aside_is_swept_in_time(gate: Gate) -> None:
    staging = Path(gate.config.state) / "staging"
    staging.mkdir(parents=True)
    old, new = staging / ".copy-old", staging / ".copy-new"
    for file in (old, new):
        file.write_bytes(b"x")
    age(old, 30 * 86_400)
    deliver(gate.config, "a/x.parquet", shard("one"))
    pin(only(gate), gate.config, gate.ledger)
    assert [file.name for file in staging.iterdir() if file.is_file()] == [new.name]


def test_copies_keep_the_ending_by_which_they_are_read(gate: Gate) -> None:
    for name, ending in {"a/x.PARQUET": ".parquet", "a/x.csv.gz": ".csv.gz", "a/x.jsonl": ".jsonl"}.items():
        file: Any = inbox_of(gate) / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(name.encode())
        age(file, 100)
        [delivery] = [one for one in listed(gate).deliveries if one.name == name]
        assert pin(delivery, gate.config, gate.ledger).url.endswith(ending)
