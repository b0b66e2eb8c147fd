"""Columns of rows as a table holds them: types that it stores, how two schemas differ, and three columns of the gate's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pat

from mixval.contracts.arrow_types import plain_array, plain_type
from mixval.errors import SchemaError

DELIVERY = "_mixval_delivery"
ATTEMPT = "_mixval_attempt"
CONTRIBUTOR = "_mixval_contributor"
LINEAGE = pa.schema([(DELIVERY, pa.string()), (ATTEMPT, pa.int32()), (CONTRIBUTOR, pa.string())])
"""Of every appended row: SHA-256 of the delivery's bytes and the attempt, which are its key and name its decision, and
the contributor as in the data. First in a table that the gate makes, where every writer keeps statistics of them."""
_RESERVED = "_mixval_"
_WIDER = {
    pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.int64(),
    pa.float16(): pa.float32(), pa.date64(): pa.date32(),
}  # fmt: skip
"""What Delta has no type for, and the type that holds the same values. Those of uint64 must fit."""
_KEPT = (
    pat.is_boolean, pat.is_signed_integer, pat.is_float32, pat.is_float64, pat.is_string, pat.is_binary, pat.is_date32,
    pat.is_decimal128,
)  # fmt: skip


@dataclass(frozen=True)
class SchemaChange:
    """How the columns of rows differ from those of a table."""

    new: tuple[str, ...] = ()
    """Columns that the table lacks."""
    missing: tuple[str, ...] = ()
    """Columns that the rows lack, and that are null then."""
    clashing: tuple[str, ...] = ()
    """A sentence for each column that cannot enter at all."""


def stored_type(found: pa.DataType, column: str) -> pa.DataType:
    """The type that a table has for values of this one. Raises SchemaError where it has none."""
    plain = plain_type(found)
    if plain in _WIDER or pat.is_fixed_size_binary(plain):
        return _WIDER.get(plain, pa.binary())
    if pat.is_timestamp(plain):
        return pa.timestamp("us", "UTC" if plain.tz else None)
    if pat.is_list(plain):
        return pa.list_(stored_type(plain.value_type, column))
    if pat.is_map(plain):
        return pa.map_(stored_type(plain.key_type, column), stored_type(plain.item_type, column))
    if pat.is_struct(plain):
        return pa.struct([pa.field(field.name, stored_type(field.type, column)) for field in plain])
    if any(kind(plain) for kind in _KEPT):
        return plain
    raise SchemaError(
        f"column '{column}': expected a type that a table can hold (text, bytes, numbers, dates, times with a date, lists, "
        f"structs, maps), found {found}. Convert it, or leave the column out."
    )


def stored_schema(rows: pa.Schema) -> pa.Schema:
    """The columns of rows as a table holds them, nullable; those of the null type, in which nothing stands, are left out.

    Raises SchemaError for names that a table cannot tell apart or that are the gate's own, and for types that it does not hold.
    """
    if problems := _name_problems(rows):
        raise SchemaError(" ".join(problems))
    return pa.schema(
        [pa.field(field.name, stored_type(field.type, field.name)) for field in rows if not pat.is_null(plain_type(field.type))]
    )


def lineage_schema(rows: pa.Schema) -> pa.Schema:
    """The columns of rows as a table holds them, behind the gate's own. Raises as `stored_schema`."""
    return pa.schema([*LINEAGE, *stored_schema(rows)])


def compare_schemas(table: pa.Schema | None, rows: pa.Schema) -> SchemaChange:
    """How these rows differ from the table; without a table, whether they can make one. The gate's own columns are left out."""
    clashing = _name_problems(rows)
    held = {} if table is None else {field.name: field for field in table if field.name not in LINEAGE.names}
    by_lower = {name.lower(): name for name in held}
    given, new = set(rows.names), []
    for field in rows:
        if pat.is_null(plain_type(field.type)) or field.name.startswith(_RESERVED):
            continue
        try:
            stored = stored_type(field.type, field.name)
        except SchemaError as error:
            clashing.append(str(error))
            continue
        like = by_lower.get(field.name.lower())
        if field.name in held:
            if not _fits(stored, held[field.name].type):
                clashing.append(
                    f"column '{field.name}': expected {held[field.name].type}, as the table has it, found {field.type}. "
                    "Convert it."
                )
        elif like is not None:
            clashing.append(f"column '{field.name}': expected the spelling of the table, '{like}'. Rename it.")
        elif table is not None:
            new.append(field.name)
    lacking = [field for name, field in held.items() if name not in given]
    clashing += [
        f"column '{field.name}': expected in every row, since the table allows no nulls there, found no such column. Add it."
        for field in lacking
        if not field.nullable
    ]
    return SchemaChange(tuple(new), tuple(field.name for field in lacking if field.nullable), tuple(clashing))


def conformed(batches: Iterable[pa.RecordBatch], table: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows with the columns of the table in its order, null where they have none.

    Raises SchemaError for a value that its column cannot hold as it is.
    """
    for batch in batches:
        yield pa.RecordBatch.from_arrays([_column(batch, field) for field in table], schema=table)


def with_lineage(rows: Iterable[pa.RecordBatch], schema: pa.Schema, own: tuple[str, int, str]) -> Iterator[pa.RecordBatch]:
    """The rows as they are stored, behind the gate's own columns with these values. `schema` has both (`lineage_schema`)."""
    stored = list(schema)[len(LINEAGE) :]
    for batch in rows:
        repeated = [pa.repeat(pa.scalar(value, field.type), batch.num_rows) for value, field in zip(own, LINEAGE, strict=True)]
        yield pa.RecordBatch.from_arrays([*repeated, *(_column(batch, field) for field in stored)], schema=schema)


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    if field.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, field.type)
    try:
        column = plain_array(batch.column(field.name)).cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        found = " ".join(str(error).split())[:240]
        raise SchemaError(
            f"column '{field.name}': expected values that {field.type} holds as they are, found others: {found}. Convert the "
            "column."
        ) from error
    if column.null_count and not field.nullable:
        raise SchemaError(
            f"column '{field.name}': expected a value in every row, as the table has it, found {column.null_count:,} rows of a "
            "batch without one. Fill them in, or leave the rows out."
        )
    return column


def _name_problems(rows: pa.Schema) -> list[str]:
    lower = [name.lower() for name in rows.names]
    alike = sorted({name for name in rows.names if lower.count(name.lower()) > 1})
    reserved = sorted(name for name in rows.names if name.startswith(_RESERVED))
    empty = [name for name in rows.names if not name.strip()]
    said = [
        (alike, "expected names that differ by more than their case, found {}. Rename one."),
        (reserved, "expected no names that begin with `_mixval_`, which the gate writes itself, found {}. Rename them."),
        (empty, "expected a name for every column, found one without."),
    ]
    return [words.format(", ".join(repr(name) for name in names)) for names, words in said if names]


def _fits(stored: pa.DataType, held: pa.DataType) -> bool:
    """Whether every value of one type is one of the other."""
    held = plain_type(held)
    if pat.is_signed_integer(stored) and pat.is_signed_integer(held):
        return bool(stored.bit_width <= held.bit_width)
    if pat.is_floating(stored) and pat.is_floating(held):
        return bool(stored.bit_width <= held.bit_width)
    if pat.is_list(stored) and pat.is_list(held):
        return _fits(stored.value_type, held.value_type)
    if pat.is_struct(stored) and pat.is_struct(held):
        return [f.name for f in stored] == [f.name for f in held] and all(
            _fits(one.type, other.type) for one, other in zip(stored, held, strict=True)
        )
    return bool(stored == held)
