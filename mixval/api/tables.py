"""Tables in memory as shards: which tables are taken, and Parquet files of them below a run's output.

A contributor's name is never part of a path: a folder is named by a digest of the rows in it, so equal tables are written once.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import pyarrow as pa
import pyarrow.types as pat

from mixval.errors import ContractError
from mixval.publish.names import visible
from mixval.storage.root import Location
from mixval.storage.tables import encode_table

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "inputs"
SHARD_BYTES = 64 << 20
"""Most bytes of a shard in memory: a table is sliced into shards of about so many, one of which is encoded at a time."""
SHARD_ROWS = 100_000
"""Most rows of a shard."""


@runtime_checkable
class ArrowTable(Protocol):
    """A table that hands out its columns through Arrow's C interface: of pyarrow, polars, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The stream, as the Arrow PyCapsule interface has it."""


@runtime_checkable
class HuggingFaceDataset(Protocol):
    """A `datasets.Dataset`. A streamed one has no length."""

    def with_format(self, type: str | None = None) -> Any:  # noqa: A002  the library's own name
        """The same rows, given out in another format."""

    def __len__(self) -> int:
        """Rows."""


Table: TypeAlias = "pd.DataFrame | ArrowTable | HuggingFaceDataset"
"""A table in memory, with the columns of the task's row contract."""


def is_table(given: object) -> bool:
    """Whether it is a table in memory, and no URL."""
    # A DatasetDict has all that a Dataset has, by split.
    return _is_pandas(given) or (isinstance(given, ArrowTable | HuggingFaceDataset) and not isinstance(given, Mapping))


def held(table: Table) -> Any:
    """The table as a `pandas.DataFrame` or `datasets.Dataset`, or else as a `pyarrow.Table`: a stream is read once."""
    return table if _is_pandas(table) or isinstance(table, HuggingFaceDataset) else pa.table(table)


def column_names(table: Any) -> list[str]:
    """Names of a held table's columns, in order."""
    return [str(name) for name in (table.columns if _is_pandas(table) else table.column_names)]


def write_shards(
    table: Any,
    columns: Sequence[str],
    output: Location,
    where: str,
    constants: dict[str, str] | None = None,
    required: Sequence[str] = (),
) -> str:
    """The URL of a folder below `output` with these columns of a held table as Parquet shards.

    `constants` are further columns of one value. Columns that the table lacks are left out: the gate names them as it does of
    a file, and where one of `required` is lacking, the names of all that there are. Raises ContractError, naming `where`, for a
    table that has no rows or that Arrow cannot hold.
    """
    lacks = not {*required} <= {*column_names(table)}
    digest = hashlib.blake2b(digest_size=16)
    n_rows = 0
    for slice_ in _slices(table, columns, where, constants or {}, lacks):
        n_rows += slice_.num_rows
        with pa.ipc.new_stream(pa.PythonFile(_Hashed(digest), mode="w"), slice_.schema) as stream:
            stream.write_table(slice_.combine_chunks())
    if n_rows == 0:
        raise ContractError(f"{where}: expected a table with rows, found none. Leave it out, or give its rows.")
    folder = output.child(FOLDER, digest.hexdigest())
    for place, slice_ in enumerate(_slices(table, columns, where, constants or {}, lacks)):
        folder.child(f"part-{place:05d}.parquet").write_bytes(encode_table(slice_))
    return folder.url


class _Hashed:
    """A file that only digests what is written to it."""

    closed = False

    def __init__(self, digest: Any) -> None:
        self._digest = digest

    def write(self, data: Any) -> int:
        self._digest.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def _slices(table: Any, columns: Sequence[str], where: str, constants: dict[str, str], lacks: bool) -> Iterator[pa.Table]:
    """The chosen columns, shard by shard. Where one of them is lacking, nulls under the others' names, for its message."""
    there = column_names(table)
    wanted = [name for name in dict.fromkeys(columns) if name in there]
    others = [name for name in there if name not in wanted] if lacks else []
    try:
        for part in _parts(table, wanted):
            shard = _with_constants(_plain(part), constants)
            for name in others:
                shard = shard.append_column(name, pa.nulls(part.num_rows))
            yield shard
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ContractError(
            f"{where}: expected columns ({visible(', '.join(wanted))}) that Arrow can hold, each of one type, found {error}. "
            "Convert them: text to strings, labels to integers, images to PNG or JPEG bytes."
        ) from error


def _parts(table: Any, wanted: list[str]) -> Iterator[pa.Table]:
    if _is_pandas(table):
        whole = pa.Table.from_pandas(table[wanted], preserve_index=False)
    elif hasattr(table, "with_format"):
        rows = table.select_columns(wanted).with_format("arrow")
        a_part = _rows_a_shard(int(table.data.nbytes), int(table.data.num_rows))
        yield from rows.iter(batch_size=a_part)
        return
    else:
        whole = table.select(wanted)
    a_part = _rows_a_shard(whole.nbytes, whole.num_rows)
    for start in range(0, whole.num_rows, a_part):
        yield whole.slice(start, a_part)


def _rows_a_shard(n_bytes: int, n_rows: int) -> int:
    a_row = max(1, n_bytes // max(n_rows, 1))
    return int(min(SHARD_ROWS, max(1, SHARD_BYTES // a_row)))


def _plain(table: pa.Table) -> pa.Table:
    """The same rows, with string views (of polars) as strings, which more programs read, and without notes on an index."""
    notes = table.schema.metadata or {}
    table = table.replace_schema_metadata({key: kept for key, kept in notes.items() if key != b"pandas"})
    instead = {pat.is_string_view: pa.large_string(), pat.is_binary_view: pa.large_binary()}
    for place, field in enumerate(table.schema):
        for is_view, kind in instead.items():
            if is_view(field.type):
                table = table.set_column(place, field.with_type(kind), table.column(place).cast(kind))
    return table


def _with_constants(table: pa.Table, constants: dict[str, str]) -> pa.Table:
    for name, value in constants.items():
        table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
    return table


def _is_pandas(given: object) -> bool:
    known = sys.modules.get("pandas")  # who has a DataFrame has imported it
    return known is not None and isinstance(given, known.DataFrame)
