"""Rows of shards as a stream of contract batches, only the columns that are needed.

Memory is what a format reads at a time and one batch, whatever the size of the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from mixval.config.source import SourceConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.arrow_types import plain_batch, plain_type, text_array
from mixval.contracts.batches import RowBatch
from mixval.contracts.cell_bytes import without_large_cells
from mixval.contracts.groups import group_columns, ungrouped
from mixval.contracts.labels import NO_NAMES, TargetClasses, target_classes
from mixval.contracts.mapping import MISSING, ORIGIN_REMEDY, WRONG, RowMapping, row_mapping
from mixval.contracts.parts import PARTS, REAL
from mixval.contracts.plan import ShardRef
from mixval.contracts.rows import ORIGIN
from mixval.errors import ShardError
from mixval.storage.formats import open_shard
from mixval.storage.listing import contributor_names, list_contributors, list_shards, list_target
from mixval.storage.reading import OpenShard

__all__ = ["list_contributors", "list_shards", "list_target", "named_classes", "source_of_target", "stream_rows"]

_ORIGIN_FOLDER = "origin="
_LABEL_BATCH_ROWS = 65_536
MOST_CLASSES = 100_000
"""Names of classes that a target may have."""


def stream_rows(
    shards: Sequence[ShardRef],
    source: SourceConfig,
    task: Task,
    batch_rows: int = 1024,
    columns: Sequence[str] | None = None,
    classes: TargetClasses = NO_NAMES,
    groups: Sequence[str] = (),
) -> Iterator[RowBatch]:
    """Batches of at most `batch_rows` rows in contract columns, with `origin` (string) and, where there is one, `id` (string).

    `columns` limits the contract columns; `origin` always comes. `classes` are the target's (`named_classes`). `groups` are
    columns of the data by which rows are grouped; their values come as in `contracts/groups.py`. Where `rows_of` is set, other
    contributors' rows are left out, and `row_offset` counts that contributor's rows alone.
    Raises `ShardError` for a shard that cannot be read, lacks a column or has one of a wrong type; `ChangedFileError` for one
    that is not what was listed, at the latest after its last row; `StorageError` when the store fails.
    """
    mapping = row_mapping(task, source.columns, source.origin == "column", columns, classes)
    for index, shard in enumerate(shards):
        if shard.problem is not None:
            raise ShardError(shard.problem, shard=shard.url, kind="unreadable")
        offset = 0
        for batch in _shard_rows(shard, source, mapping, batch_rows, groups):
            yield replace(batch, shard_index=index, row_offset=offset)
            offset += batch.table.num_rows


def source_of_target(shards: Sequence[ShardRef], source: SourceConfig) -> SourceConfig:
    """The source by which a target's rows are read: real, where it has no column or folder that says of which origin they are,
    whatever all rows of contributors are.

    Raises `ChangedFileError` for a shard that is not what was listed, and `StorageError` when the store fails.
    """
    if source.origin == REAL:
        return source
    for shard in (shard for shard in shards if shard.problem is None):
        is_said = source.origin == "folder" and bool(_origin_folders(shard))
        if source.origin == "column":
            with suppress(ShardError), open_shard(shard, source.storage) as file:
                is_said = _origin_column(source) in file.schema.names
        if is_said:
            return source
    return source.model_copy(update={"origin": REAL})


def named_classes(shards: Sequence[ShardRef], source: SourceConfig, task: Task) -> TargetClasses:
    """What a target calls its classes, where a label is text in all or some of its shards: one pass over its labels.

    Raises `ShardError` as `stream_rows` does, and for more than `MOST_CLASSES` names.
    """
    if not spec_of(task).has_labels:
        return NO_NAMES
    name, found, is_named = str(source.columns.get("label", "label")), set[str](), False
    for shard in (shard for shard in shards if shard.problem is None):
        with open_shard(shard, source.storage) as file:
            if file.schema.names.count(name) != 1:
                continue
            kind = plain_type(file.schema.field(name).type)
            if not (pat.is_string(kind) or (is_named and pat.is_boolean(kind))):
                continue
            is_named = True
            for batch in file.batches([name], _LABEL_BATCH_ROWS):
                found |= _names(batch.column(name), shard)
                if len(found) > MOST_CLASSES:
                    message = f"labels of at most {MOST_CLASSES:,} classes are expected, found more distinct texts"
                    raise _mismatch(shard, WRONG, "label", message, "Map the column with the class in `source.columns`.")
    return target_classes(found)


def _shard_rows(
    shard: ShardRef, source: SourceConfig, mapping: RowMapping, batch_rows: int, groups: Sequence[str]
) -> Iterator[RowBatch]:
    """Batches whose place is not known yet."""
    origin = _constant_origin(shard, source)
    with open_shard(shard, source.storage) as file:
        if (found := mapping.find_mismatch(file.schema)) is not None:
            raise _mismatch(shard, found.kind, found.column, found.message, found.advice)
        if (other := ungrouped(file.schema, groups)) is not None:
            words = f"column '{other[0]}' of `value.groups` must hold one plain value a row, once a shard, {other[1]}"
            raise _mismatch(shard, WRONG, other[0], words, "Leave it out of `value.groups`, or write its values as text.")
        names = mapping.class_names(file.schema)
        # Where T's labels are names, the shard's integers have been read by theirs.
        compared = () if mapping.classes.are_labels else names
        paths = mapping.read_paths(file.schema)
        said = _said_otherwise(file.schema, source)
        paths += [name for name in (*groups, *said) if name in file.schema.names and name not in paths]
        for batch, refused in _own_rows(shard, source, file, paths, batch_rows):
            try:
                plain = plain_batch(batch)
                rows = mapping.apply(plain, origin, names, refused)
                for name, column in group_columns(plain, groups).items():
                    rows = rows.append_column(name, column)
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise _unfit(shard, error) from error
            is_denied = any(_denies(plain.column(name), origin) for name in said)
            yield RowBatch(rows, 0, 0, compared, mapping.is_unsaid(plain, names), is_denied)


def _names(labels: pa.Array, shard: ShardRef) -> set[str]:
    try:
        return set(text_array(labels).unique().drop_null().to_pylist())
    except pa.ArrowException as error:
        raise _unfit(shard, error) from error


def _own_rows(
    shard: ShardRef, source: SourceConfig, file: OpenShard, paths: list[str], batch_rows: int
) -> Iterator[tuple[pa.RecordBatch, dict[int, str]]]:
    """Batches with null in the place of cells that are too large, and why by row."""
    most = source.storage.max_cell_bytes
    if shard.rows_of is None:
        for batch in file.batches(paths, batch_rows):
            yield without_large_cells(batch, most)
        return
    by = source.contributor_column
    for whole in file.batches(sorted({*paths, by}), batch_rows, (by, shard.rows_of)):
        batch, refused = without_large_cells(whole, most)
        is_own = pc.fill_null(pc.equal(contributor_names(batch.column(by), shard, by), shard.rows_of), False)
        try:
            own = plain_batch(batch).filter(is_own)
        except pa.ArrowException as error:
            raise _unfit(shard, error) from error
        if own.num_rows:
            places = enumerate(np.flatnonzero(np.asarray(is_own)).tolist())
            yield own, {now: refused[before] for now, before in places if before in refused}


def _constant_origin(shard: ShardRef, source: SourceConfig) -> str | None:
    if source.origin == "column":
        return None
    if source.origin != "folder":
        return source.origin
    named = _origin_folders(shard)
    if not named:
        raise _mismatch(
            shard, MISSING, "origin", "an `origin=real/` or `origin=synthetic/` folder is expected above it, found none"
        )
    return named[-1]


def _origin_folders(shard: ShardRef) -> list[str]:
    return [part.removeprefix(_ORIGIN_FOLDER) for part in shard.url.split("/") if part.startswith(_ORIGIN_FOLDER)]


def _origin_column(source: SourceConfig) -> str:
    return str(source.columns.get(ORIGIN.name, ORIGIN.name))


def _said_otherwise(schema: pa.Schema, source: SourceConfig) -> list[str]:
    """The column of origins that a configuration passes over, where there is one."""
    name = _origin_column(source)
    is_there = source.origin != "column" and schema.names.count(name) == 1
    return [name] if is_there and pat.is_string(plain_type(schema.field(name).type)) else []


def _denies(said: pa.Array, origin: str | None) -> bool:
    return bool((set(PARTS) - {origin}) & set(said.unique().to_pylist()))


def _unfit(shard: ShardRef, error: Exception) -> ShardError:
    return _mismatch(shard, WRONG, None, f"values must fit the row contract, found {' '.join(str(error).split())[:240]}")


def _mismatch(shard: ShardRef, kind: str, column: str | None, message: str, advice: str | None = None) -> ShardError:
    remedy = {
        MISSING: advice or f"Map one of yours, as `source.columns: {{{column}: YOUR_COLUMN}}`, add it, or leave the shard out.",
        WRONG: advice or "Convert it, or leave the shard out of the catalogue.",
    }
    if column == "origin":
        remedy[MISSING] = advice or f"Say whether rows are real or synthetic: {ORIGIN_REMEDY}."
    return ShardError(
        f"shard '{shard.name}' ({shard.url}): {message}. {remedy[kind]}", shard=shard.url, column=column, kind=kind
    )
