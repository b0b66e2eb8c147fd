"""Whole-object writes on a local file system: a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


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
