"""Pinned copies: a delivery's bytes below the gate's state, under the digest of their content. All later steps read these, so
that whoever overwrites or removes the delivery changes nothing that was checked, valued or appended.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mixval.config.ingestion import IngestionConfig
from mixval.contracts.ingestion import Delivery, PinnedDelivery
from mixval.errors import ChangedFileError, StorageError
from mixval.lake.conditions import require_conditions
from mixval.lake.ledger import Ledger, Noted
from mixval.lake.steps import reached
from mixval.storage.entries import disk_version, is_missing, object_version
from mixval.storage.formats import FORMATS
from mixval.storage.root import CHUNK_BYTES, Location, open_location

_SETTLED_SECONDS = 2.0
"""Age of a file's last change below which another one may bear the same time."""
_ASIDE = ".copy-"
_LEFT_SECONDS = 7 * 86_400.0
"""Age after which what was written aside belongs to no gate that is running."""
_BLOCK_BYTES = 8 << 20
"""Bytes of an object that are asked for at a time."""


def pin(delivery: Delivery, config: IngestionConfig, ledger: Ledger) -> PinnedDelivery:
    """The delivery's bytes as they were listed, copied below the state; where they lie there already, that copy.

    Reads the delivery once, in pieces; not at all where its name had this version before and the copy is there. Raises
    ChangedFileError where it is no longer what was listed: then this one waits for the next listing, and others go on.
    StorageError where a store fails, ConditionUnsupportedError for a state whose store cannot hold a ledger.
    """
    require_conditions(ledger.state)
    known = ledger.known_content(delivery)
    if known is not None and _is_whole(copy := _copy(known.digest, delivery.name, ledger), known.digest, delivery, ledger):
        return _pinned(delivery, known, copy)
    source = open_location(delivery.url, config.storage)
    with _aside(ledger.state) as spool:
        digest, is_settled = _copied(source, delivery, spool)
        copy = _copy(digest, delivery.name, ledger)
        _put_in_place(spool, copy)
    reached("copied", digest)
    noted = ledger.record_content(delivery, digest, is_settled)
    reached("pinned", digest)
    return _pinned(delivery, noted, copy)


def repin(digest: str, name: str, ledger: Ledger) -> Location:
    """The pinned copy of bytes that were delivered before, under this name. Raises ChangedFileError where it is gone or is no
    longer what its name says.
    """
    copy = _copy(digest, name, ledger)
    found = _digest_there(copy)
    if found != digest:
        raise ChangedFileError(
            f"{copy.url}: expected the bytes of {digest[:16]}, pinned from '{name}', found "
            f"{'nothing' if found is None else 'other bytes'}. Deliver the file again: it is pinned anew."
        )
    return copy


def _pinned(delivery: Delivery, noted: Noted, copy: Location) -> PinnedDelivery:
    return PinnedDelivery(delivery=delivery, digest=noted.digest, url=copy.url, supersedes=noted.supersedes)


def _is_whole(copy: Location, digest: str, delivery: Delivery, ledger: Ledger) -> bool:
    """Whether a copy is there, with the bytes of the digest: by its size where what is decided of it needs it no more."""
    if not copy.exists() or copy.size() != delivery.size_bytes:
        return False
    stands = ledger.standing(digest)
    return (stands is not None and stands.action != "quarantine") or _digest_there(copy) == digest


def _copy(digest: str, name: str, ledger: Ledger) -> Location:
    return ledger.state.child("staging", digest[:2], f"{digest}{_ending(name)}")


def _ending(name: str) -> str:
    """The ending by which the copy's format is known, as in the name."""
    lower = name.lower()
    return next(
        (ending for one in FORMATS for ending in sorted(one.endings, key=len, reverse=True) if lower.endswith(ending)), ""
    )


@contextmanager
def _aside(state: Location) -> Iterator[BinaryIO]:
    """A local file that nobody sees, beside its later place where that is local. Removed at the end."""
    folder = None
    if (path := state.local_path()) is not None:
        folder = path / "staging"
        with state.guard("make a folder"):
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
    with state.guard("write a file aside"), tempfile.NamedTemporaryFile(dir=folder, prefix=_ASIDE, delete=False) as file:
        try:
            yield file  # type: ignore[misc]  # its methods are those of a BinaryIO
        finally:
            Path(file.name).unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what gates that were killed have left aside long ago."""
    for left in folder.glob(f"{_ASIDE}*"):
        with suppress(FileNotFoundError):  # another gate sweeps, too
            if left.stat().st_mtime < time.time() - _LEFT_SECONDS:
                left.unlink()


def _copied(source: Location, delivery: Delivery, spool: BinaryIO) -> tuple[str, bool]:
    """SHA-256 of the delivery's bytes, copied, and whether other bytes would have had another version."""
    try:
        if source.local_path() is not None:
            return _copied_file(source, delivery, spool)
        return _copied_object(source, delivery, spool), True
    except StorageError as error:
        if is_missing(error):
            raise _changed(delivery, "nothing: it was removed or renamed") from error
        raise


def _copied_file(source: Location, delivery: Delivery, spool: BinaryIO) -> tuple[str, bool]:
    with source.guard("read a delivery"), os.fdopen(_handle(source, delivery), "rb") as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode) or disk_version(before) != delivery.version:
            raise _changed(delivery, "another file")
        digest = _hashed(file, spool)
        after = os.fstat(file.fileno())
    if disk_version(after) != delivery.version:
        raise _changed(delivery, "one that changed while it was copied")
    return digest, max(after.st_mtime, after.st_ctime) < time.time() - _SETTLED_SECONDS


def _handle(source: Location, delivery: Delivery) -> int:
    """Not through a link, and without waiting for somebody to write into a pipe, that was put there since the listing."""
    try:
        return os.open(source.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _changed(delivery, "a link or a socket") from error
        raise


def _copied_object(source: Location, delivery: Delivery, spool: BinaryIO) -> str:
    """Each piece is asked for under the entity tag that the object had when it was opened, which is that of the listing."""
    with source.guard("read a delivery"):
        filesystem = source.filesystem()
        try:
            with filesystem.open(source.path, "rb", block_size=_BLOCK_BYTES, cache_type="readahead") as file:
                _require_version(file.details, delivery, "another object")
                digest = _hashed(file, spool)
        except Exception:  # which says nothing where the object has changed; the client's own words for it differ by store
            _require_version(filesystem.info(source.path), delivery, "one that was overwritten while it was copied")
            raise
        _require_version(filesystem.info(source.path), delivery, "one that was overwritten while it was copied")
    return digest


def _require_version(info: Any, delivery: Delivery, otherwise: str) -> None:
    if object_version(info) != delivery.version:
        raise _changed(delivery, otherwise)


def _hashed(file: BinaryIO, spool: BinaryIO) -> str:
    state = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        state.update(chunk)
        spool.write(chunk)
    spool.flush()
    return state.hexdigest()


def _put_in_place(spool: BinaryIO, copy: Location) -> None:
    """Whole at once. A copy that is there already has the same bytes, or was damaged, and is replaced."""
    with copy.guard("pin a delivery"):
        if (path := copy.local_path()) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.chmod(spool.name, 0o644)
            os.replace(spool.name, path)
        else:
            copy.filesystem().put_file(spool.name, copy.path)


def _digest_there(copy: Location) -> str | None:
    state = hashlib.sha256()
    try:
        with copy.open() as file, copy.guard("read a pinned delivery"):
            while chunk := file.read(CHUNK_BYTES):
                state.update(chunk)
    except StorageError as error:
        if is_missing(error):
            return None
        raise
    return state.hexdigest()


def _changed(delivery: Delivery, found: str) -> ChangedFileError:
    return ChangedFileError(
        f"{delivery.url}: expected the file that was listed ({delivery.size_bytes:,} bytes), found {found}. It waits for the "
        "next run, which takes what is there then."
    )
