"""Rows of shards as a stream of contract batches: row group by row group, only the columns that are needed.

Memory is one read buffer a column and one batch, whatever the size of the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mixval.config.source import SourceConfig
from mixval.config.tasks import Task
from mixval.contracts.batches import RowBatch
from mixval.contracts.class_names import ClassNames
from mixval.contracts.mapping import MISSING, WRONG, RowMapping, row_mapping
from mixval.contracts.plan import ShardRef
from mixval.errors import ShardError
from mixval.storage.listing import contributor_names, list_contributors, list_target, shard_digest
from mixval.storage.parquet import iter_batches, open_parquet
from mixval.storage.root import Location, open_location

__all__ = ["list_contributors", "list_target", "shard_digest", "stream_rows"]

_ORIGIN_FOLDER = "origin="


def stream_rows(
    shards: Sequence[ShardRef],
    source: SourceConfig,
    task: Task,
    batch_rows: int = 1024,
    columns: Sequence[str] | None = None,
) -> Iterator[RowBatch]:
    """Batches of at most `batch_rows` rows in contract columns, with `origin` (string) and, where there is one, `id` (string).

    `columns` limits the contract columns; `origin` always comes. Where `rows_of` is set, other contributors' rows are left
    out, and `row_offset` counts that contributor's rows alone. Raises `ShardError` for a shard that cannot be read, lacks a
    column or has one of a wrong type; `StorageError` when the store fails.
    """
    mapping = row_mapping(task, source.columns, source.origin == "column", columns)
    for index, shard in enumerate(shards):
        if shard.problem is not None:
            raise ShardError(shard.problem, shard=shard.url, kind="unreadable")
        offset = 0
        for rows, names in _shard_rows(shard, source, mapping, batch_rows):
            yield RowBatch(rows, index, offset, names)
            offset += rows.num_rows


def _shard_rows(
    shard: ShardRef, source: SourceConfig, mapping: RowMapping, batch_rows: int
) -> Iterator[tuple[pa.Table, ClassNames]]:
    origin = _constant_origin(shard, source)
    location = open_location(shard.url, source.storage)
    with open_parquet(location) as file:
        schema = file.schema_arrow
        if (found := mapping.find_mismatch(schema)) is not None:
            raise _mismatch(shard, found.kind, found.column, found.message)
        names = mapping.class_names(schema)
        for batch in _own_rows(shard, source, location, file, mapping.read_paths(schema), batch_rows):
            try:
                rows = mapping.apply(batch, origin)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
                message = f"values must fit the row contract, found {' '.join(str(error).split())[:240]}"
                raise _mismatch(shard, WRONG, None, message) from error
            yield rows, names


def _own_rows(
    shard: ShardRef, source: SourceConfig, location: Location, file: pq.ParquetFile, paths: list[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    groups = range(file.metadata.num_row_groups)
    if shard.rows_of is None:
        yield from iter_batches(location, file, paths, groups, batch_rows)
        return
    by = source.contributor_column
    held = [group for group in groups if _may_hold(file.metadata.row_group(group), by, shard.rows_of)]
    for batch in iter_batches(location, file, sorted({*paths, by}), held, batch_rows):
        own = batch.filter(pc.equal(contributor_names(batch.column(by), shard, by), shard.rows_of))
        if own.num_rows:
            yield own


def _may_hold(group: pq.RowGroupMetaData, column: str, value: str) -> bool:
    """False when the row group's statistics exclude `value`."""
    for at in range(group.num_columns):
        chunk = group.column(at)
        if chunk.path_in_schema != column or chunk.physical_type != "BYTE_ARRAY" or not chunk.is_stats_set:
            continue
        low, high = (chunk.statistics.min, chunk.statistics.max) if chunk.statistics.has_min_max else (None, None)
        if isinstance(low, str) and isinstance(high, str):
            return low.encode() <= value.encode() <= high.encode()
    return True


def _constant_origin(shard: ShardRef, source: SourceConfig) -> str | None:
    if source.origin == "column":
        return None
    if source.origin != "folder":
        return source.origin
    named = [part.removeprefix(_ORIGIN_FOLDER) for part in shard.url.split("/") if part.startswith(_ORIGIN_FOLDER)]
    if not named:
        raise _mismatch(
            shard, MISSING, "origin", "an `origin=real/` or `origin=synthetic/` folder is expected above it, found none"
        )
    return named[-1]


def _mismatch(shard: ShardRef, kind: str, column: str | None, message: str) -> ShardError:
    remedy = {
        MISSING: "Add it, map another one in `source.columns`, or leave the shard out of the catalogue.",
        WRONG: "Convert it, or leave the shard out of the catalogue.",
    }
    if column == "origin":
        remedy[MISSING] = "Add it, or say where the origin stands in `source.origin`."
    return ShardError(
        f"shard '{shard.name}' ({shard.url}): {message}. {remedy[kind]}", shard=shard.url, column=column, kind=kind
    )
