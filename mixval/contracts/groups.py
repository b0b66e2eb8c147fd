"""Columns of the data by which rows are grouped, as text: a row's group is the value that stands there.

Any plain value serves: text, numbers, booleans, dates. A row without one, or of a shard without the column, is of the group
None.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from mixval.contracts.arrow_types import is_binary, is_text, plain_type, text_array

LONGEST = 120
"""Characters of a group's name; of a longer one the beginning, and a digest that tells it from others."""
_DIGEST_BYTES = 4
OF_ROWS = "group_{}".format
"""Name of the column that holds the rows' groups by the place of the column in `value.groups`."""


def ungrouped(schema: pa.Schema, columns: Sequence[str]) -> tuple[str, str] | None:
    """The first of these columns whose values name no groups, and what was found; None where all do or are not there."""
    for name in columns:
        if (count := schema.names.count(name)) > 1:
            return name, f"it stands there {count} times"
        if count and (pat.is_nested(found := plain_type(schema.field(name).type)) or (is_binary(found) and not is_text(found))):
            return name, f"found {found}"
    return None


def group_columns(rows: pa.RecordBatch, columns: Sequence[str]) -> dict[str, pa.Array]:
    """The groups of rows in plain types by each of these columns, string. Raises `pa.ArrowException` for what is no text."""
    return {OF_ROWS(place): _named(rows, name) for place, name in enumerate(columns)}


def _named(rows: pa.RecordBatch, name: str) -> pa.Array:
    if name not in rows.schema.names:
        return pa.nulls(rows.num_rows, pa.string())
    text = text_array(rows.column(name))
    if not pc.any(pc.greater(pc.utf8_length(text), LONGEST)).as_py():
        return text
    return pa.array([_shortened(one) for one in text.to_pylist()], pa.string())


def _shortened(name: str | None) -> str | None:
    if name is None or len(name) <= LONGEST:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{name[: LONGEST - len(digest) - 1]}…{digest}"
