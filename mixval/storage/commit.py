"""Artifacts committed once: data files first, the record last. Without a record an artifact does not exist.

    FINGERPRINT/record.json
    FINGERPRINT/CONTENT/data.safetensors, ...

The data files lie in a folder named by a digest of their content, so that two processes which commit the same artifact at
once never mix their files: the first record wins, and names the folder that belongs to it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from mixval import __version__
from mixval.config.fingerprint import fingerprint
from mixval.contracts.record import ArtifactRecord, ArtifactRef
from mixval.errors import StorageError
from mixval.storage.layout import Layout
from mixval.storage.root import Location, open_location
from mixval.storage.tables import encode_table, read_table
from mixval.storage.tensors import encode_tensors, read_tensors

RECORD = "record.json"
TENSORS = "data.safetensors"
_DIGEST_BYTES = 8
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class ArtifactStore:
    """Committed artifacts below one output root."""

    output: Location

    def ref(self, kind: str, version: int, **inputs: Any) -> ArtifactRef:
        """The reference of the artifact that `version` of an algorithm makes from `inputs`."""
        return ArtifactRef(kind=kind, fingerprint=fingerprint(kind, version, **inputs), root=self.output.url)

    def committed(self, ref: ArtifactRef) -> ArtifactRecord | None:
        """The record of an artifact, or None when it has not been made. Raises `StorageError` when a file of it is missing or
        empty."""
        folder = self._folder(ref)
        if not folder.child(RECORD).exists():
            return None
        record = _record(folder)
        for name in record.files:
            _whole(folder, record, name)
        return record

    def commit(
        self,
        ref: ArtifactRef,
        *,
        inputs: Mapping[str, Any],
        tensors: Mapping[str, np.ndarray] | None = None,
        tables: Mapping[str, pa.Table] | None = None,
        documents: Mapping[str, bytes] | None = None,
        numbers: Mapping[str, float | int | str | None] | None = None,
        seconds: float = 0.0,
        peak_bytes: int = 0,
    ) -> ArtifactRef:
        """Writes data files, then the record, and returns `ref`. Where another process' record came first, that one is valid.

        `tensors` go into one safetensors file, `tables` into one Parquet file each, `documents` are whole files by name,
        which may hold folders. Numbers that are not finite are recorded as the words `nan`, `inf` and `-inf`.
        """
        folder = self._folder(ref)
        files = _encode(tensors, tables or {}, documents or {})
        content = _content_name(files)
        for name, data in files.items():
            folder.child(content, *name.split("/")).write_bytes(data)
        record = ArtifactRecord(
            ref=ref,
            inputs=dict(inputs),
            numbers={name: _plain_number(value) for name, value in (numbers or {}).items()},
            files=sorted(files),
            folder=content,
            seconds=seconds,
            peak_bytes=peak_bytes,
            created=datetime.now(UTC).isoformat(timespec="microseconds"),
            mixval_version=__version__,
        )
        folder.child(RECORD).write_if_absent(record.model_dump_json(indent=1).encode())
        return ref

    def read_tensors(self, ref: ArtifactRef, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The arrays, writable; all, or those in `names`."""
        return read_tensors(self._file(ref, TENSORS), names)

    def read_table(self, ref: ArtifactRef, name: str = "data", schema: pa.Schema | None = None) -> pa.Table:
        """The table `name`. Raises `SchemaError` when it does not fit `schema`."""
        return read_table(self._file(ref, f"{name}.parquet"), schema)

    def document(self, ref: ArtifactRef, name: str) -> Location:
        """Where the document `name` lies. Raises `StorageError` when it does not."""
        return self._file(ref, name)

    def read_document(self, ref: ArtifactRef, name: str) -> bytes:
        """The document `name`."""
        return self.document(ref, name).read_bytes()

    def read_json(self, ref: ArtifactRef, name: str) -> Any:
        """What the JSON document `name` holds. Raises `StorageError` when it is damaged."""
        file = self.document(ref, name)
        try:
            return json.loads(file.read_bytes())
        except ValueError as error:  # of its letters, or of its brackets
            raise _damaged(file, "a JSON document", error, self._folder(ref).child(RECORD)) from error

    def read_model(self, ref: ArtifactRef, name: str, model: type[Model]) -> Model:
        """The JSON document `name` as a model. Raises `StorageError` when it is damaged."""
        file = self.document(ref, name)
        try:
            return model.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise _damaged(file, f"a {model.__name__}", error, self._folder(ref).child(RECORD)) from error

    def discard(self, ref: ArtifactRef) -> None:
        """Removes an artifact, record first, so that a reader never trusts half of one. What has gone already is no error."""
        folder = self._folder(ref)
        if not folder.exists():
            return
        leftovers = [file for file in folder.files() if file.url != folder.child(RECORD).url]
        for file in (folder.child(RECORD), *leftovers):
            file.delete(missing_ok=True)

    def _folder(self, ref: ArtifactRef) -> Location:
        if open_location(ref.root, self.output.options).url != self.output.url:
            raise StorageError(
                f"{ref.root}: expected an artifact below {self.output.url}. Open the store at the reference's root."
            )
        return Layout(self.output).artifact(ref)

    def _file(self, ref: ArtifactRef, name: str) -> Location:
        folder = self._folder(ref)
        record = _record(folder)
        if name not in record.files:
            held = ", ".join(record.files) or "no files"
            raise StorageError(f"{folder.url}: expected '{name}' in this artifact, found {held}. Ask for one of those.")
        return _whole(folder, record, name)


def _encode(
    tensors: Mapping[str, np.ndarray] | None, tables: Mapping[str, pa.Table], documents: Mapping[str, bytes]
) -> dict[str, bytes]:
    files = {TENSORS: encode_tensors(tensors)} if tensors is not None else {}
    files |= {f"{name}.parquet": encode_table(table) for name, table in tables.items()}
    if clash := sorted(set(files) & set(documents)):
        raise StorageError(f"expected documents under names of their own, found {clash[0]!r} twice. Rename the document.")
    files |= {name: bytes(data) for name, data in documents.items()}
    if empty := sorted(name for name, data in files.items() if not data):
        raise StorageError(f"document {empty[0]!r}: expected some bytes, found none. Leave it out.")
    return files


def _content_name(files: Mapping[str, bytes]) -> str:
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            state.update(len(part).to_bytes(8, "little"))
            state.update(part)
    return state.hexdigest()


def _whole(folder: Location, record: ArtifactRecord, name: str) -> Location:
    file = folder.child(record.folder, *name.split("/"))
    found = "nothing" if not file.exists() else "an empty file" if file.size() == 0 else None
    if found is not None:
        raise StorageError(f"{file.url}: expected a file that its record names, found {found}. {_anew(folder.child(RECORD))}")
    return file


def _record(folder: Location) -> ArtifactRecord:
    file = folder.child(RECORD)
    try:
        return ArtifactRecord.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise StorageError(f"{file.url}: expected an artifact record, found {error}. Delete it and run again.") from error


def _damaged(file: Location, expected: str, error: Exception, record: Location) -> StorageError:
    return StorageError(f"{file.url}: expected {expected}, found {error}. {_anew(record)}")


def _anew(record: Location) -> str:
    return f"Delete {record.url} and run again: the artifact is then made anew."


def _plain_number(value: Any) -> float | int | str | None:
    plain = value.item() if isinstance(value, np.generic) else value
    return str(plain) if isinstance(plain, float) and not math.isfinite(plain) else plain
