"""A shard's file held open: what was hashed is what is read, and nothing else counts as having been read.

The content is hashed through one handle, compared with the digest of the listing, read through the same handle, and looked at
again when reading is over. On disk a handle stays with its file whatever is renamed into its place, and a write into it changes
its time of change (ctime), which nobody can set; a file that was changed within the last seconds is hashed once more. On S3 the
entity tag, size, time and version of the object are compared before and after.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO, NamedTuple, Protocol

import pyarrow as pa

from mixval.errors import ChangedFileError, StorageError, TouchedFileError
from mixval.storage import s3
from mixval.storage.root import CHUNK_BYTES, Location, digest_of

_SETTLED_SECONDS = 2.0
"""Age of a file's last change below which another one may bear the same time: clocks of file systems tick, some by seconds."""


class HeldFile(Protocol):
    """A file that is held while it is read."""

    location: Location
    size_bytes: int
    digest: str
    """Of its content, see `Location.content_digest`."""
    version: str
    """What the store calls this very object; empty where only the content tells."""

    def source(self) -> Any:
        """A new pyarrow file at its beginning, with random access. Several may be open at once."""

    def require_unchanged(self) -> None:
        """Raises `ChangedFileError` unless all that was read through `source` is the content of the digest."""

    def close(self) -> None:
        """Give the handle back."""


@contextmanager
def held(location: Location, digest: str | None = None, version: str = "", below: Location | None = None) -> Iterator[HeldFile]:
    """The file at a location, with the content of `digest`, and of `version` where there is one; None takes what is there.

    On disk it is a regular file, and in the folder `below` where that is given, wherever links would lead.

    Raises `ChangedFileError` where the content is another one, at the beginning or, whatever else came, at the end;
    `StorageError` where the store fails.
    """
    file = _opened(location, below)
    try:
        if digest is not None and file.digest != digest:
            raise _changed(location, f"its content {_short(digest)}", f"{_short(file.digest)} ({file.size_bytes:,} bytes)")
        if version and file.version != version:
            raise _changed(location, f"version {version}", file.version)
        try:
            yield file
        except GeneratorExit:  # a reader that has enough
            raise
        except BaseException as error:
            _blame(file, error)
            raise
        file.require_unchanged()
    finally:
        file.close()


def _blame(file: HeldFile, error: BaseException) -> None:
    """Raises `ChangedFileError` where a file that cannot be read has changed: the failure says nothing of the content."""
    try:
        file.require_unchanged()
    except ChangedFileError as changed:
        raise changed from error


def _opened(location: Location, below: Location | None) -> HeldFile:
    try:
        if location.scheme == "s3":
            return _HeldObject(location)
        with location.guard("read a file"):
            return _HeldHandle(location, location.open(below))
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise _changed(location, "a file", "nothing: it was removed") from error
        raise


class _Handle(NamedTuple):
    """What changes when a file on disk does."""

    device: int
    inode: int
    size_bytes: int
    written_ns: int
    changed_ns: int


class _HeldHandle:
    """A file behind a handle: on disk, in memory, or of fsspec."""

    version = ""

    def __init__(self, location: Location, handle: BinaryIO) -> None:
        self.location, self._handle = location, handle
        self._lock = threading.Lock()
        self._is_local = location.local_path() is not None
        self._before, self._is_settled = self._state()
        self.digest, self.size_bytes = self._hashed(self._before)

    def source(self) -> pa.PythonFile:
        """Reads by place, so that several readers do not move each other."""
        return pa.PythonFile(_Reader(self, self.size_bytes), mode="r")

    def read_at(self, place: int, n: int) -> bytes:
        """At most `n` bytes from a place."""
        if self._is_local:
            return os.pread(self._handle.fileno(), n, place)
        with self._lock:
            self._handle.seek(place)
            return self._handle.read(n)

    def require_unchanged(self) -> None:
        with self.location.guard("look at a file again"):
            now, _ = self._state()
            if now == self._before and self._is_settled:
                return
            found = self._hashed(now)
        if found != (self.digest, self.size_bytes):
            raise _changed(self.location, f"its content {_short(self.digest)}", f"{_short(found[0])} while it was read")
        if now != self._before:
            raise TouchedFileError(
                f"{self.location.url}: expected a file that is left alone while it is read, found one that was written, "
                "replaced or renamed; its content is as before. Run again."
            )

    def close(self) -> None:
        self._handle.close()

    def _hashed(self, state: Any) -> tuple[str, int]:
        # As many bytes as there are now: a file that somebody appends to has no end.
        n_bytes = state.size_bytes if self._is_local else 1 << 62
        return digest_of(iter(partial(_Reader(self, n_bytes).read, CHUNK_BYTES), b""))

    def _state(self) -> tuple[Any, bool]:
        """What changes when the file does, and whether another change would show in it."""
        if self._is_local:
            found = os.fstat(self._handle.fileno())
            times = found.st_mtime_ns, found.st_ctime_ns
            return _Handle(found.st_dev, found.st_ino, found.st_size, *times), _is_past(max(times) / 1e9)
        try:
            return self.location.filesystem().ukey(self.location.path), True  # a version, entity tag or time, by the store
        except FileNotFoundError:
            return None, True


class _HeldObject:
    """An object on S3, which pyarrow's own client reads by ranges: two looks bracket them."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.size_bytes, self.digest, self.version = self._look()

    def source(self) -> Any:
        return s3.parquet_filesystem(self.location.options).open_input_file(self.location.path)

    def require_unchanged(self) -> None:
        try:
            now = self._look()
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise _changed(self.location, "a file", "nothing: it was removed while it was read") from error
            raise
        if now != (self.size_bytes, self.digest, self.version):
            raise _changed(self.location, f"{self.digest} of {self.version}", f"{now[1]} of {now[2]} while it was read")

    def close(self) -> None:
        """Nothing is held: every range is a request of its own."""

    def _look(self) -> tuple[int, str, str]:
        with self.location.guard("look at an object"):
            info = self.location.filesystem().info(self.location.path)
            tag, size = str(info["ETag"]).strip('"'), int(info["size"])
            written = info.get("LastModified")
            time_written = written.isoformat() if hasattr(written, "isoformat") else str(written or "")
            return size, f"{tag}-{size}", " ".join(filter(None, (time_written, str(info.get("VersionId") or ""))))


class _Reader(io.RawIOBase):
    """A reader with a place of its own in a held file. Closing it leaves the file open."""

    def __init__(self, file: _HeldHandle, size_bytes: int) -> None:
        super().__init__()
        self._file, self._size_bytes, self._place = file, size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        left = self._size_bytes - self._place
        data = self._file.read_at(self._place, left if size is None or size < 0 else min(size, left)) if left > 0 else b""
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size_bytes}[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place


def _is_past(seconds: float) -> bool:
    return seconds < time.time() - _SETTLED_SECONDS


def _short(digest: str) -> str:
    return digest if "-" in digest else digest[:12]


def _changed(location: Location, expected: str, found: str) -> ChangedFileError:
    return ChangedFileError(
        f"{location.url}: expected {expected} as it was listed, found {found}. Nothing is made from it. Leave files alone "
        "during a run, and run again: what is there then is checked and measured."
    )
