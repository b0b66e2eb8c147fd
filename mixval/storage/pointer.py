"""`latest.json`, the one mutable object: which run is the latest. Swapped conditionally, so that no run overwrites another's
unnoticed.

Local: a lock file, compare, replace. Memory: compare under a lock. S3: `If-None-Match: *` for the first, `If-Match` with the
entity tag after it; a store that does not honour them gets compare and write, and the result says that it was not conditional.
"""

from __future__ import annotations

import hashlib
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from mixval.config.base import FrozenModel
from mixval.errors import ConditionUnsupportedError, ConflictError, StorageError
from mixval.storage import s3
from mixval.storage.damage import tell_damage
from mixval.storage.layout import Layout
from mixval.storage.root import MEMORY_LOCK, Location

LOCK_SECONDS = 30.0
"""Seconds to wait for another process that holds the lock next to a local pointer."""


class Latest(FrozenModel):
    """Content of the pointer."""

    run_id: str
    fingerprint: str
    """Fingerprint of the run's configuration and inputs."""
    swapped: str = ""
    """UTC, ISO 8601. Set by `swap_latest`."""
    nonce: str = ""
    """Random, so that two swaps to the same run differ. Set by `swap_latest`."""
    token: str = Field(default="", exclude=True)
    """Version of the object that was read: a digest, or the store's entity tag. Never written."""


@dataclass(frozen=True)
class Swap:
    """A swap that went through."""

    latest: Latest
    """The pointer as it now stands, with its token."""
    conditional: bool
    """False when the store cannot swap conditionally: another run at the same moment may have been overwritten."""


def read_latest(output: Location) -> Latest | None:
    """The pointer of an output root, or None before the first publication. Raises `StorageError` when it is damaged."""
    location = Layout(output).latest()
    if not location.exists():
        return None
    return _read(location)


def standing_latest(output: Location) -> Latest | None:
    """The pointer that a run will swap: as `read_latest`, but one that is damaged is told, and names no run."""
    location = Layout(output).latest()
    if not location.exists():
        return None
    latest = _present(location)
    if not latest.run_id:
        tell_damage(location.url, "expected the pointer to a run, found another content. Published again")
    return latest


def swap_latest(output: Location, run_id: str, fingerprint: str, expected: Latest | None) -> Swap:
    """Points to a run if the pointer is still what was read as `expected` (None: there was none).

    Raises `ConflictError` when another run has swapped it since.
    """
    location = Layout(output).latest()
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    new = Latest(run_id=run_id, fingerprint=fingerprint, swapped=now, nonce=uuid.uuid4().hex)
    data = new.model_dump_json(indent=1).encode()
    if location.scheme == "s3":
        return _swap_on_s3(location, new, data, expected)
    with _lock(location):
        _compare(location, expected)
        location.write_bytes(data)
    return Swap(new.model_copy(update={"token": _digest(data)}), location.scheme in ("file", "memory"))


def _swap_on_s3(location: Location, new: Latest, data: bytes, expected: Latest | None) -> Swap:
    with location.guard("swap the pointer"):
        filesystem = location.filesystem()
        probe = location.path.removesuffix(location.name) + f"{s3.PROBE}{new.nonce}"
        conditional = not s3.ignores_conditions(filesystem, probe)
        if conditional:
            try:
                token = s3.put_if(filesystem, location.path, data, match=expected.token if expected else None)
            except ConditionUnsupportedError:
                conditional = False
    if not conditional:
        _compare(location, expected)
        location.write_bytes(data)
    elif token is None:
        _accept_own(location, new, expected)
    present = _read(location) if not conditional else new.model_copy(update={"token": token or _tag(location)})
    if present.nonce != new.nonce:
        raise _conflict(location, expected, present)
    return Swap(present, conditional)


def _accept_own(location: Location, new: Latest, expected: Latest | None) -> None:
    # A put whose answer was lost is sent again by the client, and then meets itself.
    present = _present(location) if location.exists() else None
    if present is None or present.nonce != new.nonce:
        raise _conflict(location, expected, present)


def _compare(location: Location, expected: Latest | None) -> None:
    present = _present(location) if location.exists() else None
    if (present.token if present else None) != (expected.token if expected else None):
        raise _conflict(location, expected, present)


def _conflict(location: Location, expected: Latest | None, present: Latest | None) -> ConflictError:
    before = f"run {expected.run_id!r}" if expected else "no pointer"
    now = f"run {present.run_id!r}, swapped {present.swapped}" if present else "no pointer"
    return ConflictError(
        f"{location.url}: expected {before}, found {now}: another run published first. Its results and yours are both kept; "
        "publish again to point to yours."
    )


def _read(location: Location) -> Latest:
    found = _present(location)
    if not found.run_id:
        raise StorageError(f"{location.url}: expected the pointer to a run, found another content. Run again: it is replaced.")
    return found


def _present(location: Location) -> Latest:
    """What stands there; without a run where it is damaged."""
    token = _tag(location) if location.scheme == "s3" else ""
    data = location.read_bytes()
    try:
        latest = Latest.model_validate_json(data)
    except ValidationError:
        latest = Latest(run_id="", fingerprint="")
    return latest.model_copy(update={"token": token or _digest(data)})


def _tag(location: Location) -> str:
    return location.content_digest().rpartition("-")[0]


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _lock(location: Location) -> AbstractContextManager[object]:
    if (path := location.local_path()) is None:
        return MEMORY_LOCK
    with location.guard("lock the pointer"):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(".latest.json.lock"), timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout as error:
            raise StorageError(
                f"{lock.lock_file}: expected the lock within {LOCK_SECONDS:.0f} seconds, found it held. Another run is "
                "publishing, or hangs: end it and publish again."
            ) from error
    return _Held(lock)


class _Held(AbstractContextManager[object]):
    """A lock that is held already, released at the end."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def __exit__(self, *_: object) -> None:
        self._lock.release()
