"""What the files of a Delta table hold: their rows in order, their counts, and under which key they were appended.

Of a file that the gate wrote, the log's statistics say all of this, since all its rows carry the same key. Where the log has no
statistics, or files were put together since, the columns of keys are read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

from mixval.lake.columns import ATTEMPT, DELIVERY
from mixval.lake.table import CommitKey, TableFile

if TYPE_CHECKING:
    from deltalake import DeltaTable

READ_ROWS = 8_192
"""Rows of a batch that is read."""


def arrow_schema(handle: DeltaTable) -> pa.Schema:
    """The columns of a version."""
    return pa.schema(handle.schema().to_arrow())


def table_files(handle: DeltaTable) -> list[TableFile]:
    """The files of a version, sorted by path."""
    added = _added(handle)
    uncounted = {one["path"] for one in added if one["num_records"] is None}
    counted = {path: fragment.count_rows() for path, fragment in _fragments(handle, uncounted)}
    return [
        TableFile(one["path"], one["size_bytes"], counted.get(one["path"], one["num_records"]), one[f"min.{DELIVERY}"])
        if _key_of(one)
        else TableFile(one["path"], one["size_bytes"], counted.get(one["path"], one["num_records"]))
        for one in sorted(added, key=lambda one: str(one["path"]))
    ]


def logged_file(action: Mapping[str, Any]) -> TableFile | None:
    """The file of an `add` action of the log; None where the log does not count its rows."""
    statistics = json.loads(action.get("stats") or "{}")
    n_rows = statistics.get("numRecords")
    if n_rows is None:
        return None
    flat = {"num_records": n_rows}
    for name, prefix in (("nullCount", "null_count"), ("minValues", "min"), ("maxValues", "max")):
        flat |= {f"{prefix}.{column}": value for column, value in (statistics.get(name) or {}).items()}
    key = _key_of(dict.fromkeys(_statistics()) | flat)
    return TableFile(unquote(action["path"]), int(action["size"]), int(n_rows), None if key is None else key.delivery)


def batches(handle: DeltaTable, columns: list[str] | None, paths: set[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a version, file by file in the order of their paths, of all files or of those named."""
    schema = arrow_schema(handle)
    for _, fragment in _fragments(handle, paths):
        scanner = fragment.scanner(
            schema=schema,
            columns=columns,
            batch_size=READ_ROWS,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
        )
        yield from (batch for batch in scanner.to_batches() if batch.num_rows)


def keys_by_statistics(handle: DeltaTable) -> tuple[Counter[CommitKey], set[str]]:
    """Rows by key, of the files whose statistics say so; and the paths of the files that have to be read."""
    known, unknown = Counter[CommitKey](), set[str]()
    if not {DELIVERY, ATTEMPT} <= set(arrow_schema(handle).names):
        return known, unknown
    for one in _added(handle):
        if (key := _key_of(one)) is not None:
            known[key] += one["num_records"]
        elif one["num_records"] is None or one[f"null_count.{DELIVERY}"] != one["num_records"]:
            unknown.add(one["path"])
    return known, unknown


def rows_by_key(handle: DeltaTable) -> Counter[CommitKey]:
    """Rows of a version by key."""
    found, unread = keys_by_statistics(handle)
    for batch in batches(handle, [DELIVERY, ATTEMPT], unread):
        pairs = zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
        found.update(CommitKey(*pair) for pair in pairs if None not in pair)
    return found


def _key_of(said: Mapping[str, Any]) -> CommitKey | None:
    """The key that all rows of a file carry, by its statistics; None where they do not, or statistics do not say."""
    delivery, attempt = said[f"min.{DELIVERY}"], said[f"min.{ATTEMPT}"]
    is_one = delivery == said[f"max.{DELIVERY}"] and attempt == said[f"max.{ATTEMPT}"]
    has_all = said[f"null_count.{DELIVERY}"] == 0 == said[f"null_count.{ATTEMPT}"]
    if None in (said["num_records"], delivery, attempt) or not (is_one and has_all):
        return None
    return CommitKey(delivery, attempt)


def _statistics() -> list[str]:
    return ["num_records", *(f"{kind}.{name}" for kind in ("null_count", "min", "max") for name in (DELIVERY, ATTEMPT))]


def _added(handle: DeltaTable) -> list[dict[str, Any]]:
    """What the log says of each file of a version; None for what it does not say."""
    actions = pa.table(handle.get_add_actions(flatten=True))
    names = ["path", "size_bytes", *_statistics()]
    rows = actions.select([name for name in names if name in actions.column_names]).to_pylist()
    return [dict.fromkeys(names) | one | {"path": unquote(one["path"])} for one in rows]


def _fragments(handle: DeltaTable, paths: set[str] | None) -> list[tuple[str, Any]]:
    if paths is not None and not paths:
        return []
    found = ((fragment.path, fragment) for fragment in handle.to_pyarrow_dataset().get_fragments())
    return sorted(((path, fragment) for path, fragment in found if paths is None or path in paths), key=lambda one: str(one[0]))
