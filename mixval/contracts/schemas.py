"""Versions of what runs publish: one number a schema, written into the metadata of every table and into every manifest.

Readers check the number before the columns, so that a file of another mixval version is read where possible, and else refused
as such rather than by a missing column. A table without a number is of version 0, from before tables carried one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from mixval.errors import SchemaVersionError

VERSION_KEY = b"schema_version"
NAME_KEY = b"schema"


@dataclass(frozen=True)
class Schema:
    """Versions of one kind of table, or of the manifest."""

    version: int
    """Raised when a column or field is added, removed or renamed, or changes its meaning."""
    oldest_read: int = 0
    """Files from here on are read where their columns fit; raised when the same columns had another meaning in older ones."""
    made_by: str = "mixval value"
    """The command that makes it."""


SCHEMAS = {
    # `verdict` was the gate's before 2; who has no interval had a tie group before 3; gains were called nats before 4.
    "ranking": Schema(4, oldest_read=3),
    "terms": Schema(3, oldest_read=2),
    "rejected": Schema(1),
    "coalitions": Schema(3),
    "redundancy": Schema(3),
    "parts": Schema(1),
    "mixture": Schema(1),
    "mixture_best": Schema(1),
    "groups": Schema(1),
    "corpora": Schema(1),
    "truncation": Schema(1),
    "manifest": Schema(7, oldest_read=3),
    "truth": Schema(1, made_by="mixval calibrate"),
    "contributors": Schema(1, made_by="mixval calibrate"),
    "calibration-manifest": Schema(2, made_by="mixval calibrate"),
    "gate-manifest": Schema(1, made_by="mixval gate"),
    "decisions": Schema(1, made_by="mixval gate"),
    "synthetic": Schema(1, made_by="mixval synthesize"),
    "synthetic-dropped": Schema(1, made_by="mixval synthesize"),
    "synthetic-failed": Schema(1, made_by="mixval synthesize"),
    "synthesis-manifest": Schema(1, made_by="mixval synthesize"),
    "experiment": Schema(1, made_by="mixval scaling experiment"),
    "experiment-manifest": Schema(1, made_by="mixval scaling experiment"),
    "study": Schema(1, made_by="mixval scaling study"),
    "study-manifest": Schema(1, made_by="mixval scaling study"),
}


def versions_of(command: str) -> dict[str, int]:
    """Schema -> version, of all that a command publishes."""
    return {name: schema.version for name, schema in SCHEMAS.items() if schema.made_by == command}


def table_schema(name: str, fields: Sequence[pa.Field], **metadata: str) -> pa.Schema:
    """The Arrow schema of a published table: its fields, and in its metadata its name and version."""
    known = {NAME_KEY.decode(): name, VERSION_KEY.decode(): str(SCHEMAS[name].version)}
    return pa.schema(list(fields), metadata=known | metadata)


def name_of(schema: pa.Schema) -> str | None:
    """Name of a published table's schema; None for one that is not published and has no version."""
    name = (schema.metadata or {}).get(NAME_KEY)
    return None if name is None else name.decode()


def stored_version(schema: pa.Schema) -> int:
    """The version in a stored table's metadata; 0 where there is none. Raises ValueError where it is no number."""
    return int((schema.metadata or {}).get(VERSION_KEY, b"0"))


def refuse_versions(name: str, found: int, where: str, writer: str = "a newer mixval") -> None:
    """Raises `SchemaVersionError` for a version that this mixval cannot or must not read."""
    schema = SCHEMAS[name]
    if found > schema.version:
        raise SchemaVersionError(
            f"{where}: expected `{name}` of schema version {schema.version} or older, found version {found}, written by "
            f"{writer}. Read it with that version, or run `{schema.made_by}` again."
        )
    if found < schema.oldest_read:
        raise older(name, found, where, f"it has other names or meanings since version {schema.oldest_read}")


def older(name: str, found: int, where: str, fault: str) -> SchemaVersionError:
    """The error for a version below this mixval's that cannot be read as it is, because of `fault`."""
    schema = SCHEMAS[name]
    return SchemaVersionError(
        f"{where}: expected `{name}` of schema version {schema.version}, found version {found}, written by an older mixval: "
        f"{fault}. Run `{schema.made_by}` again, or read it with the mixval that wrote it (`mixval_version` in manifest.json)."
    )
