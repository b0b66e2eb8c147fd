"""Tables at a location, as Parquet with zstd. The schema is checked on writing and on reading; differences are named."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.contracts.schemas import SCHEMAS, name_of, older, refuse_versions, stored_version
from mixval.errors import SchemaError, StorageError
from mixval.storage.root import Location

REMEDY = "Make the table with the schema's columns and types."


def encode_table(table: pa.Table, schema: pa.Schema | None = None, where: str = "table") -> bytes:
    """The Parquet file with this table. With a `schema`, columns, types and nulls must agree with it."""
    if schema is not None:
        table = conform(table, schema, where)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def write_table(location: Location, table: pa.Table, schema: pa.Schema | None = None) -> None:
    """Writes the table as one whole object. Raises `SchemaError` when it does not fit `schema`."""
    location.write_bytes(encode_table(table, schema, location.url))


def decode_table(
    location: Location, data: bytes, schema: pa.Schema | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """The table in the content of a file that was read at `location`, or some of its columns.

    Raises:
        SchemaError: it does not fit `schema`.
        SchemaVersionError: `schema` is a published one, and the table is of another version of it that cannot be read as this.
        StorageError: the file is damaged.
    """
    name = None if schema is None else name_of(schema)
    try:
        if name is not None:  # before any column is asked for, which another version may not have
            refuse_versions(name, stored_version(pq.read_schema(pa.BufferReader(data))), location.url)
        table = pq.read_table(pa.BufferReader(data), columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StorageError(f"{location.url}: expected a Parquet table, found {error}. Delete it and run again.") from error
    if schema is None:
        return table
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns], schema.metadata)
    try:
        return conform(table, wanted, location.url)
    except SchemaError as error:
        if name is None or (found := stored_version(table.schema)) == SCHEMAS[name].version:
            raise
        fault = str(error).removeprefix(f"{location.url}: ").removesuffix(f". {REMEDY}")
        raise older(name, found, location.url, fault) from error


def conform(table: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """The same rows under `schema`, units in its metadata included. Raises `SchemaError` naming every column that differs."""
    faults = [fault for field in schema if (fault := _fault(table, field)) is not None]
    faults += [f"column '{name}' is not expected" for name in table.column_names if name not in schema.names]
    if faults:
        raise SchemaError(f"{where}: {'; '.join(faults)}. {REMEDY}")
    return pa.Table.from_arrays([table[field.name] for field in schema], schema=schema)


def _fault(table: pa.Table, field: pa.Field) -> str | None:
    count = table.column_names.count(field.name)
    if count != 1:
        return f"column '{field.name}' is expected once, found {count or 'none'}"
    column = table[field.name]
    if column.type != field.type:
        return f"column '{field.name}' must be {field.type}, found {column.type}"
    if not field.nullable and column.null_count:
        return f"column '{field.name}' must have no nulls, found {column.null_count}"
    return None
