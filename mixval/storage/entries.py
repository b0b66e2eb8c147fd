"""What lies below a folder in one listing: names, sizes, what tells one content from the next, and what is no plain file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mixval.config.source import LimitsConfig
from mixval.errors import StorageError
from mixval.storage.local import other_kind
from mixval.storage.root import Location


@dataclass(frozen=True)
class Entry:
    """A file, or something else that bears a name."""

    name: str
    """Path below the folder."""
    size_bytes: int
    version: str
    """Entity tag and version of an object; on a disk, device, file, size and times of the last change."""
    changed: float | None
    """When it was last changed, in seconds since 1970. None where the store does not say."""
    other: str = ""
    """What it is instead of a plain file, e.g. `a link`; empty for a file."""


def entries_below(folder: Location, limits: LimitsConfig) -> list[Entry]:
    """All files below a folder, sorted by name. Links are named and not followed; of each folder directly below, one file and
    one level more than its limits are looked at, so that whoever reads this sees that there is more.

    Raises `StorageError` where there is no such folder; where a store has no folders, one without objects is empty.
    """
    with folder.guard("list a folder"):
        if path := folder.local_path():
            return sorted(_local_entries(path, limits), key=lambda one: one.name)
        filesystem = folder.filesystem()
        found = filesystem.find(folder.path, detail=True)
        above = str(filesystem._strip_protocol(folder.url)).rstrip("/") + "/"
        if not found and folder.scheme != "s3":
            filesystem.info(folder.path)  # raises where there is nothing
        elif not found:
            filesystem.call_s3("head_bucket", Bucket=folder.path.partition("/")[0])  # raises where there is no such bucket
        files = ((name, info) for name, info in found.items() if info["type"] == "file")
        return [
            Entry(name.removeprefix(above), int(info["size"] or 0), object_version(info), _time_of(info))
            for name, info in sorted(files)
            if name.startswith(above) and not name.endswith("/")
        ]


def object_version(info: Any) -> str:
    """What a store calls one content of an object: its entity tag and, where it keeps them, its version."""
    tag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    version = info.get("VersionId")
    known = [tag, "" if version in (None, "null") else str(version)]
    return " ".join(filter(None, known)) or f"{info.get('size')} {_time_of(info)}"


def disk_version(found: os.stat_result) -> str:
    """What tells one content of a file on a disk from the next, as far as its clock ticks."""
    return f"{found.st_dev}-{found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"


def _local_entries(top: Path, limits: LimitsConfig) -> Iterator[Entry]:
    with os.scandir(top) as items:
        names = sorted(item.name for item in items)
    for name in names:
        try:
            found = os.lstat(top / name)
        except FileNotFoundError:  # removed since the folder was read
            continue
        if stat.S_ISDIR(found.st_mode):
            yield from islice(_below(top, name, limits), limits.files + 1)
        else:
            yield _local_entry(name, found)


def _below(top: Path, first: str, limits: LimitsConfig) -> Iterator[Entry]:
    """What lies below a folder in `top`, as far down as one level more than the limit, and of one folder no more than one file
    more. A folder that cannot be read is named."""
    todo = [first]
    while todo:
        above = todo.pop()
        try:
            with os.scandir(top / above) as items:
                names = sorted(item.name for item in islice(items, limits.files + 1))
        except OSError as error:
            yield Entry(f"{above}/", 0, "", None, f"a folder that cannot be read ({os.strerror(error.errno or errno.EIO)})")
            continue
        for name in (f"{above}/{one}" for one in names):
            try:
                found = os.lstat(top / name)
            except FileNotFoundError:
                continue
            if not stat.S_ISDIR(found.st_mode):
                yield _local_entry(name, found)
            elif name.count("/") <= limits.levels:
                todo.append(name)
            else:
                yield Entry(f"{name}/", 0, "", None, "a folder too far down")


def _local_entry(name: str, found: os.stat_result) -> Entry:
    return Entry(name, found.st_size, disk_version(found), found.st_mtime, other_kind(found.st_mode) or "")


def _time_of(info: Any) -> float | None:
    written = info.get("LastModified") or info.get("created")
    return float(written.timestamp()) if hasattr(written, "timestamp") else None


def is_missing(error: StorageError) -> bool:
    """Whether a store failed because nothing is there."""
    return isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError))
