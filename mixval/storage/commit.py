"""Artifacts committed once: data files first, the record last. Without a record an artifact does not exist.

Content is compared with its digest at every read. What is damaged is removed and told, so that the step which makes it makes
it again; `LostArtifactError` says so to whoever was reading.

    FINGERPRINT/record.json
    FINGERPRINT/CONTENT/data.safetensors, ...

The data files lie in a folder named by a digest of their content, so that two processes which commit the same artifact at
once never mix their files: the first record wins, and names the folder that belongs to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from mixval.config.fingerprint import fingerprint
from mixval.contracts.json_text import read_json
from mixval.contracts.record import ArtifactFile, ArtifactRecord, ArtifactRef
from mixval.errors import ContractError, LostArtifactError, StorageError
from mixval.storage.damage import tell_damage
from mixval.storage.layout import Layout
from mixval.storage.records import (
    NO_SEAL,
    NOTHING,
    RECORD,
    content_damage,
    encode_record,
    new_record,
    parse_record,
    read_if_there,
    size_damage,
    streamed_damage,
)
from mixval.storage.root import Location, open_location
from mixval.storage.tables import decode_table, encode_table
from mixval.storage.tensors import decode_tensors, encode_tensors, read_tensors

TENSORS = "data.safetensors"
_DIGEST_BYTES = 8
Model = TypeVar("Model", bound=BaseModel)
_AGAIN = "Run again: it is made again."


@dataclass(frozen=True)
class ArtifactStore:
    """Committed artifacts below one output root."""

    output: Location

    def ref(self, kind: str, version: int, **inputs: Any) -> ArtifactRef:
        """The reference of the artifact that `version` of an algorithm makes from `inputs`."""
        return ArtifactRef(kind=kind, fingerprint=fingerprint(kind, version, **inputs), root=self.output.url)

    def committed(self, ref: ArtifactRef) -> ArtifactRecord | None:
        """The record of an artifact, or None when it has not been made.

        Its files must be there in their sizes; their content is compared when they are read, and by `whole`. A damaged
        artifact is discarded and told, and is then one that has not been made.
        """
        return self._checked(ref, size_damage)

    def records(self, kind: str) -> Iterator[ArtifactRecord]:
        """The records of all artifacts of a kind that are committed, in the order of their fingerprints, by one listing."""
        folder = self.output.child("artifacts", kind)
        for file in folder.files(RECORD) if folder.exists() else ():
            fingerprint = file.relative_name(folder).split("/")[-2]
            record = self.committed(ArtifactRef(kind=kind, fingerprint=fingerprint, root=self.output.url))
            if record is not None:
                yield record

    def whole(self, ref: ArtifactRef) -> ArtifactRecord | None:
        """As `committed`, with the content of every file compared with its digest."""
        return self._checked(ref, streamed_damage)

    def _checked(self, ref: ArtifactRef, damage_of: Callable[[Location, ArtifactFile], str | None]) -> ArtifactRecord | None:
        """The record, where `damage_of` finds nothing wrong with any of its files; else None, and the artifact is discarded."""
        try:
            record, judged = self._record(ref)
            for name, entry in record.files.items():
                file = self._place(ref, record, name)
                if (found := damage_of(file, entry)) is not None:
                    raise self._lost(ref, file, found, judged)
        except LostArtifactError:
            return None
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
        text = encode_record(new_record(ref, inputs, numbers or {}, files, content, seconds, peak_bytes))
        record = folder.child(RECORD)
        if not record.write_if_absent(text) and isinstance(parse_record(ref, record.read_bytes()), str):
            record.write_bytes(text)  # over a damaged one, or that of an older mixval
        return ref

    def read_tensors(self, ref: ArtifactRef, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The arrays, writable; all, or those in `names`. Raises `LostArtifactError` where they are missing or damaged."""
        record, judged = self._record(ref)
        file, entry = self._file(ref, record, TENSORS)
        if file.local_path() is None:
            return decode_tensors(file, self._content(ref, TENSORS)[1], names)
        if (found := streamed_damage(file, entry)) is not None:  # not in memory: Gram matrices are large
            raise self._lost(ref, file, found, judged)
        return read_tensors(file, names)

    def read_table(self, ref: ArtifactRef, name: str = "data", schema: pa.Schema | None = None) -> pa.Table:
        """The table `name`. Raises `SchemaError` when it does not fit `schema`, and as `read_tensors`."""
        return decode_table(*self._content(ref, f"{name}.parquet"), schema)

    def read_document(self, ref: ArtifactRef, name: str) -> bytes:
        """The document `name`. Raises as `read_tensors`."""
        return self._content(ref, name)[1]

    def read_json(self, ref: ArtifactRef, name: str) -> Any:
        """What the JSON document `name` holds. Raises as `read_tensors`."""
        file, data = self._content(ref, name)
        try:
            return read_json(data)
        except (ValueError, ContractError) as error:  # of its letters, its brackets, or their depth
            raise self._lost(ref, file, f"expected a JSON document, found {error}") from error

    def read_model(self, ref: ArtifactRef, name: str, model: type[Model]) -> Model:
        """The JSON document `name` as a model. Raises as `read_tensors`."""
        file, data = self._content(ref, name)
        try:
            return model.model_validate_json(data)
        except ValidationError as error:
            raise self._lost(ref, file, f"expected a {model.__name__}, found {error}") from error

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

    def _record(self, ref: ArtifactRef) -> tuple[ArtifactRecord, bytes]:
        """The record and its text."""
        file = self._folder(ref).child(RECORD)
        data = read_if_there(file)
        found = NO_SEAL if data is None else parse_record(ref, data)
        if data is None or found == NO_SEAL:
            what = "nothing is there" if data is None else "one of an older mixval is there"
            raise LostArtifactError(f"{file.url}: expected the record of an artifact, but {what}. {_AGAIN}")
        if isinstance(found, str):
            raise self._lost(ref, file, found, data)
        return found, data

    def _file(self, ref: ArtifactRef, record: ArtifactRecord, name: str) -> tuple[Location, ArtifactFile]:
        if name not in record.files:
            held = ", ".join(record.files) or "no files"
            raise StorageError(
                f"{self._folder(ref).url}: expected '{name}' in this artifact, found {held}. Ask for one of those."
            )
        return self._place(ref, record, name), record.files[name]

    def _place(self, ref: ArtifactRef, record: ArtifactRecord, name: str) -> Location:
        return self._folder(ref).child(record.folder, *name.split("/"))

    def _content(self, ref: ArtifactRef, name: str) -> tuple[Location, bytes]:
        """A file and its content, which is that of its digest."""
        record, judged = self._record(ref)
        file, entry = self._file(ref, record, name)
        data = read_if_there(file)
        if data is None:
            raise self._lost(ref, file, NOTHING, judged)
        if (found := content_damage(data, entry)) is not None:
            raise self._lost(ref, file, found, judged)
        return file, data

    def _lost(self, ref: ArtifactRef, file: Location, found: str, judged: bytes | None = None) -> LostArtifactError:
        """The error for a damaged file, told. The artifact is discarded, unless its record is no longer the one that was
        judged: then another process has made it again."""
        if judged is None or read_if_there(self._folder(ref).child(RECORD)) == judged:
            self.discard(ref)
        tell_damage(file.url, f"{found}. Discarded, to be made again")
        return LostArtifactError(f"{file.url}: {found}. The artifact is discarded. {_AGAIN}", url=file.url, found=found)


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
