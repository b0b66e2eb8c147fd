"""Files of a local file system: regular ones are opened and nothing else, and whole objects are written.

A reader sees the old content or the new, never half of it.
"""

from __future__ import annotations

import errno
import os
import stat
import uuid
from pathlib import Path
from typing import BinaryIO

from mixval.errors import NotAFileError

_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a link"),
)
# Without O_NONBLOCK a FIFO would wait for somebody who writes, and a terminal might become the process's own.
_READING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def other_kind(mode: int) -> str | None:
    """What is there by `st_mode` in the place of a regular file, in words; None where it is one."""
    if stat.S_ISREG(mode):
        return None
    return next((words for is_one, words in _KINDS if is_one(mode)), "something else")


def open_regular(path: Path, below: Path | None = None) -> BinaryIO:
    """A regular file, opened for reading; a FIFO, socket, device or folder is refused at once, never waited for.

    `below` names a folder that the file must lie in, when links are resolved: whatever is exchanged meanwhile, no link is
    followed from there on. Raises NotAFileError, and OSError as the system does.
    """
    opened = os.open(path, _READING) if below is None else _open_within(path, below)
    try:
        if (kind := other_kind(os.fstat(opened).st_mode)) is not None:
            raise NotAFileError(f"{path}: expected a regular file, found {kind}. Put the data itself there.")
        return os.fdopen(opened, "rb")
    except BaseException:
        os.close(opened)
        raise


def is_within(path: str, folder: str) -> bool:
    """Whether a resolved path lies below a resolved folder."""
    return path.startswith(folder.rstrip("/") + "/")


def _open_within(path: Path, below: Path) -> int:
    """A descriptor of a file by its resolved path, component by component."""
    top, real = os.path.realpath(below, strict=True), os.path.realpath(path, strict=True)
    if not is_within(real, top):
        raise NotAFileError(f"{path}: expected a file below {below}, found one that leads out of it. Put the data there.")
    *folders, name = os.path.relpath(real, top).split("/")
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(name, _READING | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)


def replace_file(path: Path, data: bytes) -> None:
    """Writes `data` to a hidden file beside `path`, then puts it in its place. Folders are made."""
    temporary = _write_aside(path, data)
    try:
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def create_file(path: Path, data: bytes) -> bool:
    """True when `path` was made with `data`; False when it was there already and is left alone."""
    temporary = _write_aside(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _create_exclusively(path, data)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _create_exclusively(path: Path, data: bytes) -> bool:
    # Without hard links a reader may meet the file half written; there is no better call on such a file system.
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def _write_aside(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        temporary.write_bytes(data)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
