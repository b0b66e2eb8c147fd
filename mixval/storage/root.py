"""The one door to storage: a `Location` is a URL that can be listed, read and written whole.

Schemes: plain paths and `file://`, `memory://`, `s3://`, and any other of fsspec. URLs are taken literally, without
percent-decoding, as fsspec does. Every failure of a store leaves as `StorageError` with the full URL.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec

from mixval.config.source import StorageConfig
from mixval.config.url_secrets import carries_secret, stripped_url
from mixval.errors import ConditionUnsupportedError, StorageError
from mixval.installing import install_command
from mixval.storage import local, s3
from mixval.storage.failures import storage_errors

CHUNK_BYTES = 1 << 20
"""Bytes of content that are hashed at a time."""
EXTRAS = {"gs": "gs", "gcs": "gs", "adl": "adl", "az": "adl", "abfs": "adl", "abfss": "adl"}
"""Scheme -> the extra that brings what opens it. s3:// is in the default install."""
MEMORY_LOCK = threading.RLock()
"""Held while something in memory is compared and written."""


@dataclass(frozen=True)
class Location:
    """A file or folder at a URL. Frozen, hashable, picklable; holds no connection and no secret. Made by `open_location`."""

    url: str
    options: StorageConfig = field(default_factory=StorageConfig)

    @property
    def scheme(self) -> str:
        """`file`, `memory`, `s3`, or another of fsspec's."""
        return self.url.partition("://")[0]

    @property
    def name(self) -> str:
        """Last segment of the path."""
        return self.url.rstrip("/").rpartition("/")[2]

    @property
    def path(self) -> str:
        """The path as the file system wants it: without scheme on disk, S3 as `bucket/key`, else the URL."""
        return self.url.partition("://")[2] if self.scheme in ("file", "s3") else self.url

    def child(self, *names: str) -> Location:
        """The location below, one name a level. Raises `StorageError` for a name that is no single, plain path segment."""
        for name in names:
            if not name or name in (".", "..") or any(character in name for character in "/\\\0"):
                raise StorageError(
                    f"{self.url}: expected the name of one file or folder below it, found {name!r}. Names that come from "
                    "data go through `safe_name` first."
                )
        return self.below("/".join(names)) if names else self

    def below(self, path: str) -> Location:
        """The location at a relative path as a listing gives it, which `child` would not take."""
        return Location(f"{self.url}{'' if self.url.endswith('/') else '/'}{path}", self.options)

    def local_path(self) -> Path | None:
        """The path on this machine, or None when the location is elsewhere."""
        return Path(self.path) if self.scheme == "file" else None

    def exists(self) -> bool:
        """Whether a file or folder is there."""
        with self.guard("look"):
            try:
                self._info()
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def is_file(self) -> bool:
        """Whether it is a file. Raises `StorageError` when nothing is there."""
        with self.guard("look"):
            return bool(self._info()["type"] == "file")

    def size(self) -> int:
        """Bytes of the file."""
        with self.guard("read the size of a file"):
            return int(self._info()["size"])

    def read_bytes(self) -> bytes:
        """The whole content."""
        with self.guard("read a file"):
            if path := self.local_path():
                with local.open_regular(path) as file:
                    return file.read()
            return bytes(self.filesystem().cat_file(self.path))

    def open(self, below: Location | None = None) -> BinaryIO:
        """A seekable file for random access reads; on disk a regular one, `below` a folder whatever links there are. The caller
        closes it."""
        with self.guard("read a file"):
            if path := self.local_path():
                return local.open_regular(path, None if below is None else below.local_path())
            return cast("BinaryIO", self.filesystem().open(self.path, "rb"))

    def write_bytes(self, data: bytes) -> None:
        """Writes the whole object: a reader sees what was there before, or all of `data`. Folders are made."""
        with self.guard("write a file"):
            if path := self.local_path():
                local.replace_file(path, data)
            else:
                self.filesystem().pipe_file(self.path, data)

    def write_if_absent(self, data: bytes) -> bool:
        """True when `data` was written; False when something was there, which is left alone.

        Atomic on local disks, in memory, and on S3 stores that honour `If-None-Match`; elsewhere a check and a write.
        """
        with self.guard("write a new file"):
            if path := self.local_path():
                return local.create_file(path, data)
            if self.scheme == "s3":
                try:
                    return s3.put_if(self.filesystem(), self.path, data, match=None) is not None
                except ConditionUnsupportedError:
                    return self._look_and_write(data)
            with MEMORY_LOCK:
                return self._look_and_write(data)

    def delete(self, missing_ok: bool = False) -> None:
        """Removes the file. Raises `StorageError` when there is none, unless that is expected."""
        with self.guard("delete a file"):
            if missing_ok and not self.exists():
                return
            if path := self.local_path():
                path.unlink(missing_ok)
            else:
                self._info()
                self.filesystem().rm_file(self.path)

    def folders(self) -> list[str]:
        """Sorted names of the folders directly below. Raises `StorageError` when the location itself is missing."""
        with self.guard("list a folder"):
            if path := self.local_path():
                with os.scandir(path) as entries:
                    return sorted(entry.name for entry in entries if entry.is_dir())
            found = self.filesystem().ls(self.path, detail=True)
            return sorted(
                {str(entry["name"]).rstrip("/").rpartition("/")[2] for entry in found if entry["type"] == "directory"}
            )

    def files(self, suffix: str = "", recursive: bool = True) -> list[Location]:
        """Sorted files below whose names end in `suffix`. Raises `StorageError` when the location itself is missing."""
        with self.guard("list a folder"):
            names = sorted(self._file_names(recursive))
        return [self.below(name) for name in names if name.endswith(suffix)]

    def relative_name(self, folder: Location) -> str:
        """This location's path below `folder`."""
        return self.url.removeprefix(folder.url).lstrip("/")

    def content_digest(self) -> str:
        """A name for the content: entity tag and size on S3, else 32 hex digits of BLAKE2b over the streamed content."""
        with self.guard("read a file"):
            if self.scheme == "s3":
                info = self._info()
                return f"{str(info['ETag']).strip(chr(34))}-{info['size']}"
            with self.open() as file:
                return digest_of(iter(lambda: file.read(CHUNK_BYTES), b""))[0]

    def filesystem(self) -> Any:
        """The fsspec file system behind the URL. Raises `StorageError` when its library is missing or the scheme unknown."""
        if self.scheme == "s3":
            return s3.object_filesystem(self.options)
        try:
            return fsspec.filesystem(self.scheme)
        except ImportError as error:
            extra = EXTRAS.get(self.scheme)
            remedy = f"Run: {install_command(extra)}" if extra else "Install the file system's package."
            raise StorageError(
                f"{self.url}: expected a library that opens {self.scheme}://, found none ({error}). {remedy}"
            ) from error
        except ValueError as error:
            raise StorageError(
                f"{self.url}: expected a scheme that can be opened (a path, file://, memory://, s3://), found "
                f"{self.scheme!r} ({error}). Correct the URL."
            ) from error

    def guard(self, doing: str) -> AbstractContextManager[None]:
        """A context that turns the store's failures into `StorageError`, worded for `doing` something here."""
        bucket = self.path.partition("/")[0]
        probe = (lambda: s3.bucket_is_missing(self.options, bucket)) if self.scheme == "s3" else None
        return storage_errors(self.url, doing, probe)

    def _info(self) -> dict[str, Any]:
        if path := self.local_path():
            return {"type": "directory" if path.is_dir() else "file", "size": path.stat().st_size}
        return dict(self.filesystem().info(self.path))

    def _look_and_write(self, data: bytes) -> bool:
        if self.exists():
            return False
        self.filesystem().pipe_file(self.path, data)
        return True

    def remote_files(self, recursive: bool = True, most: int | None = None) -> Iterator[tuple[str, int]]:
        """Names and bytes of the files below, where they are not on this machine.

        On S3 no more than `most` objects are asked for; where so many are there, those that are no files come too.
        """
        filesystem = self.filesystem()
        bounded = {"max_items": most} if self.scheme == "s3" and most is not None and recursive else {}
        found = filesystem.find(self.path, maxdepth=None if recursive else 1, detail=True, **bounded)
        if not found:
            self._info()  # raises when there is nothing, rather than an empty folder
        above = str(filesystem._strip_protocol(self.url)).rstrip("/") + "/"
        is_cut = bool(bounded) and len(found) >= bounded["max_items"]
        for name, entry in found.items():
            if is_cut or (entry["type"] == "file" and not name.endswith("/") and name.startswith(above)):
                yield name.removeprefix(above), int(entry["size"] or 0)

    def _file_names(self, recursive: bool) -> Iterator[str]:
        if path := self.local_path():
            return _local_file_names(path, recursive)
        return (name for name, _ in self.remote_files(recursive))


def open_location(url: str | os.PathLike[str], options: StorageConfig | None = None) -> Location:
    """The location at a URL or path. Plain paths are made absolute; nothing is contacted yet."""
    text = os.fspath(url)
    if not text.strip() or "\0" in text or not _is_utf8(text):
        raise StorageError(f"expected a URL or a path in UTF-8, found {text!a}. Give e.g. /data/shards or s3://bucket/prefix.")
    if carries_secret(text):
        raise StorageError(
            f"{stripped_url(text)}: expected a URL without credentials, found one that carries them. Give them by the "
            "environment instead (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), and renew these."
        )
    scheme, separator, rest = text.partition("://")
    scheme = {"s3a": "s3", "s3n": "s3"}.get(scheme.lower(), scheme.lower())
    if not separator or scheme in ("file", "local"):
        path = rest if separator else os.path.expanduser(text)
        return Location("file://" + os.path.abspath(path), options or StorageConfig())
    if scheme == "s3" and not rest.strip("/"):
        raise StorageError(f"{text}: expected a bucket after s3://, found none. Give e.g. s3://bucket/prefix.")
    if ".." in rest.split("/"):
        raise StorageError(f"{text}: expected a URL without `..`, found one. Write the folder out.")
    return Location(f"{scheme}://{rest.strip('/')}", options or StorageConfig())


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def digest_of(chunks: Iterable[bytes]) -> tuple[str, int]:
    """32 hex digits of BLAKE2b over the chunks of a content, and its bytes."""
    state, size = hashlib.blake2b(digest_size=16), 0
    for chunk in chunks:
        state.update(chunk)
        size += len(chunk)
    return state.hexdigest(), size


def _local_file_names(folder: Path, recursive: bool) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=fail):
        below = os.path.relpath(root, folder)
        yield from (name if below == "." else f"{below}/{name}" for name in names)
        if not recursive:
            folders.clear()
