"""Tables at a location, as Parquet with zstd. The schema is said on writing and on reading; what differs is named."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from mixval.errors import ContractError, StorageError
from mixval.storage.root import Location


class SchemaError(ContractError):
    """A table does not have the columns that its schema promises."""


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


def read_table(location: Location, schema: pa.Schema | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """The table, or some of its columns. Raises `SchemaError` when it does not fit `schema`, `StorageError` when damaged."""
    data = location.read_bytes()
    try:
        table = pq.read_table(pa.BufferReader(data), columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError) as error:
        raise StorageError(f"{location.url}: expected a Parquet table, found {error}. Delete it and run again.") from error
    if schema is None:
        return table
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns], schema.metadata)
    return conform(table, wanted, location.url)


def conform(table: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """The same rows under `schema`, units in its metadata included. Raises `SchemaError` naming every column that differs."""
    faults = [fault for field in schema if (fault := _fault(table, field)) is not None]
    faults += [f"column '{name}' is not expected" for name in table.column_names if name not in schema.names]
    if faults:
        raise SchemaError(f"{where}: {'; '.join(faults)}. Make the table with the schema's columns and types.")
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
