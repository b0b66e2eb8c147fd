"""The record of an artifact as it lies in a store, and what damage is: of the record, or of a data file that it names."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mixval import __version__
from mixval.contracts.json_text import read_json
from mixval.contracts.record import ArtifactFile, ArtifactRecord, ArtifactRef
from mixval.contracts.sealed import SEAL, content_sha256, is_whole, sealed
from mixval.errors import ContractError, StorageError
from mixval.storage.root import Location

RECORD = "record.json"
_CHUNK_BYTES = 1 << 20
SETTLED_NS = 2 * 10**9
"""After the last change of a file, by which the next one has another time: clocks of file systems tick in seconds at worst."""
NOTHING = "expected a file that its record names, found nothing"
NO_SEAL = "expected a record with digests, found one of an older mixval"


def encode_record(record: ArtifactRecord) -> bytes:
    """The text of `record.json`, sealed."""
    return json.dumps(sealed(json.loads(record.model_dump_json(exclude={SEAL}))), indent=1).encode()


def new_record(
    ref: ArtifactRef,
    inputs: Mapping[str, Any],
    numbers: Mapping[str, Any],
    files: Mapping[str, bytes],
    folder: str,
    seconds: float,
    peak_bytes: int,
) -> ArtifactRecord:
    """The record of an artifact that is made now by this mixval. Numbers that are not finite are words."""
    return ArtifactRecord(
        ref=ref,
        inputs=dict(inputs),
        numbers={name: _plain_number(value) for name, value in numbers.items()},
        files={name: ArtifactFile(size_bytes=len(files[name]), digest=content_sha256(files[name])) for name in sorted(files)},
        folder=folder,
        seconds=seconds,
        peak_bytes=peak_bytes,
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        mixval_version=__version__,
    )


def parse_record(ref: ArtifactRef, data: bytes) -> ArtifactRecord | str:
    """The record in `record.json`, or what was found instead: no record, a damaged one, or that of another artifact."""
    try:
        given = read_json(data)
    except (ValueError, ContractError) as error:  # of its letters, its brackets, or their depth
        return f"expected an artifact record, found no JSON ({error})"
    if not isinstance(given, dict) or SEAL not in given:
        return NO_SEAL if isinstance(given, dict) and "mixval_version" in given else "expected an artifact record, found none"
    if not is_whole(given):
        return "expected an artifact record as it was sealed, found another content"
    try:
        record = ArtifactRecord.model_validate(given)
    except ValidationError as error:
        return f"expected an artifact record, found {error}"
    if (record.ref.kind, record.ref.fingerprint) != (ref.kind, ref.fingerprint):
        return f"expected the record of {ref.kind} {ref.fingerprint}, found that of {record.ref.kind} {record.ref.fingerprint}"
    return record


def read_if_there(file: Location) -> bytes | None:
    """The content of a file, or None where there is none. Raises `StorageError` as every read does."""
    try:
        return file.read_bytes()
    except StorageError as error:
        if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
            return None
        raise


def size_damage(file: Location, entry: ArtifactFile) -> str | None:
    """What is wrong with a data file at a look, if anything."""
    if not file.exists():
        return NOTHING
    return _other_size(file.size(), entry)


def content_damage(data: bytes, entry: ArtifactFile) -> str | None:
    """What is wrong with a data file's content, if anything."""
    return _other_size(len(data), entry) or _digest_damage(content_sha256(data), entry)


def streamed_damage(file: Location, entry: ArtifactFile) -> str | None:
    """As `content_damage`, without the content in memory."""
    if (path := file.local_path()) is not None:
        return _local_damage(file, path, entry)
    if (wrong := size_damage(file, entry)) is not None:
        return wrong
    state = hashlib.sha256()
    with file.open() as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            state.update(chunk)
    return _digest_damage(state.hexdigest(), entry)


def _local_damage(file: Location, path: Path, entry: ArtifactFile) -> str | None:
    """A file that this process has read, and that nobody has touched since, is not read for its digest again."""
    with file.guard("read a file"):
        try:
            state = path.stat()
            if (wrong := _other_size(state.st_size, entry)) is not None:
                return wrong
            last = max(state.st_mtime_ns, state.st_ctime_ns)
            digest = _digest if time.time_ns() - last > SETTLED_NS else _digest.__wrapped__
            return _digest_damage(digest(str(path), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns), entry)
        except (FileNotFoundError, NotADirectoryError):
            return NOTHING


@lru_cache(maxsize=4096)
def _digest(path: str, *_state: int) -> str:
    """By the file's state: one that was written to has another."""
    with open(path, "rb", buffering=0) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _other_size(found: int, entry: ArtifactFile) -> str | None:
    return None if found == entry.size_bytes else f"expected {entry.size_bytes:,} bytes as recorded, found {found:,}"


def _digest_damage(found: str, entry: ArtifactFile) -> str | None:
    return None if found == entry.digest else f"expected the content {entry.digest[:16]} as recorded, found {found[:16]}"


def _plain_number(value: Any) -> float | int | str | None:
    plain = value.item() if isinstance(value, np.generic) else value
    return str(plain) if isinstance(plain, float) and not math.isfinite(plain) else plain
