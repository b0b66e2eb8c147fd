"""The `source` of a configuration from what Python hands over: tables are written out, URLs are taken as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any, TypeAlias

import pyarrow as pa

from mixval.api.tables import Table, column_names, held, is_table, write_shards
from mixval.api.task import require_told, task_of
from mixval.config.source import SourceConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.mapping import row_mapping
from mixval.contracts.parts import PARTS, REAL
from mixval.errors import ConfigError
from mixval.publish.names import listed, visible
from mixval.storage.formats import open_shard
from mixval.storage.listing import list_target
from mixval.storage.root import Location

Url: TypeAlias = "str | PathLike[str]"
Contributors: TypeAlias = "Mapping[str, Table | Url] | Url"
Columns = Mapping[str, str | Sequence[str]]
_CONVERSIONS = {
    "DatasetDict": 'Give one of its splits, such as `dataset["train"]`.',
    "IterableDataset": "Load it without `streaming=True`.",
    "LazyFrame": "Collect it: `.collect()`.",
}
"""What to do with what is nearly a table, by the name of its class."""
Origin = str | Mapping[str, str] | None


@dataclass(frozen=True)
class Where:
    """How rows are found in tables and files, as `mixval.value` takes it."""

    columns: Columns
    origin: Origin
    layout: str
    contributor_column: str
    storage: dict[str, Any]


def source_of(
    contributors: Contributors,
    target: Table | Url,
    output: Location,
    task: Task | None,
    where: Where,
) -> tuple[Task, dict[str, Any]]:
    """The task, and the fields of `source`. Tables are written below `output`.

    Raises ConfigError for what is neither table nor URL, for names that are not text, and where task or origin is not given.
    """
    named = _named(contributors)
    held_target = _held(target, "target")
    source: dict[str, Any] = {
        "columns": {name: given if isinstance(given, str) else list(given) for name, given in where.columns.items()},
        "layout": where.layout,
        "contributor_column": where.contributor_column,
        "storage": where.storage,
        "origin": "column" if where.origin is None or isinstance(where.origin, Mapping) else where.origin,
    }
    chosen = task or task_of(_columns_of(held_target, source), where.columns, "task")
    spec_of(chosen)
    for name, one in named.items() if task is None and isinstance(named, dict) else ():
        if is_table(one):
            require_told(chosen, column_names(one), where.columns, f"contributor {visible(name)!r}")
    mapping = row_mapping(chosen, source["columns"], source["origin"] == "column")
    needed = list(dict.fromkeys(name for _, names in mapping.sources for name in names))
    wanted = [*needed, mapping.id]
    constants = _origins(named, where.origin, mapping.origin)
    of_target = {mapping.origin: REAL} if mapping.origin and not _has(held_target, mapping.origin) else {}
    wanted += [name for name in (mapping.origin, mapping.tools) if name]

    def placed(given: Any, whose: str, constant: dict[str, str]) -> str:
        return write_shards(given, wanted, output, whose, constant, needed) if is_table(given) else str(given)

    source["target"] = placed(held_target, "target", of_target)
    source["contributors"] = (
        {name: placed(one, f"contributor {visible(name)!r}", constants.get(name, {})) for name, one in named.items()}
        if isinstance(named, dict)
        else named
    )
    return chosen, source


def _named(given: Contributors) -> dict[str, Any] | str:
    if isinstance(given, str | PathLike):
        return fspath(given)
    if not isinstance(given, Mapping) or is_table(given):
        raise ConfigError(
            f"contributors: expected a mapping of name to table or URL, or one URL, found {type(given).__name__}. Give e.g. "
            '{"alder": table, "birch": "birch.parquet"}.'
        )
    if not given:
        raise ConfigError(
            'contributors: expected at least one, found none. Give e.g. {"alder": table, "birch": "birch.parquet"}.'
        )
    if wrong := [name for name in given if not isinstance(name, str) or not name.strip()]:
        raise ConfigError(f"contributors: expected a name, text that is not blank, for each, found {wrong[0]!r}. Name it.")
    return {name: _held(one, f"contributor {visible(name)!r}") for name, one in given.items()}


def _held(given: Any, where: str) -> Any:
    if isinstance(given, str | PathLike):
        return fspath(given)
    try:
        if is_table(given):
            return held(given)
    except (pa.ArrowException, TypeError, ValueError):
        pass  # a single column (of pandas, polars or Arrow) hands out a stream as a table does
    raise ConfigError(
        f"{where}: expected a pandas, polars or pyarrow table, a datasets.Dataset, or a URL, found {type(given).__name__}. "
        + _CONVERSIONS.get(type(given).__name__, "Convert it, e.g. with pandas.DataFrame(rows).")
    )


def _columns_of(target: Any, source: dict[str, Any]) -> list[str]:
    if is_table(target):
        return column_names(target)
    listed_source = SourceConfig.model_validate({**source, "contributors": target, "target": target, "layout": "folders"})
    shard = next(shard for shard in list_target(listed_source) if shard.problem is None)
    with open_shard(shard, listed_source.storage) as file:
        return [str(name) for name in file.schema.names]


def _has(given: Any, column: str) -> bool:
    return not is_table(given) or column in column_names(given)


def _origins(named: dict[str, Any] | str, origin: Origin, column: str | None) -> dict[str, dict[str, str]]:
    """Contributor -> the origin column that its table lacks, where `origin` gives it by name."""
    tables = {name: one for name, one in named.items() if is_table(one)} if isinstance(named, dict) else {}
    given = dict(origin) if isinstance(origin, Mapping) else {}
    if unknown := sorted({*given} - {*tables}):
        raise ConfigError(
            f"origin: expected names of contributors that are given as tables, found {listed(unknown)}. Correct it."
        )
    if wrong := [value for value in given.values() if value not in PARTS]:
        raise ConfigError(f"origin: expected {' or '.join(PARTS)} for a contributor, found {wrong[0]!r}. Correct it.")
    if twice := [name for name in given if _has(tables[name], str(column))]:
        raise ConfigError(
            f"origin: the tables of {listed(twice)} have a column {column!r} themselves. Give it in one of the two ways."
        )
    lacking = [name for name, one in tables.items() if column is not None and name not in given and not _has(one, column)]
    if lacking:
        raise ConfigError(
            f"origin: expected a column {column!r} with `real` or `synthetic` in each table, {listed(lacking)} have none. Add "
            'it, or give it: `origin="real"` for all, or `origin={"alder": "synthetic"}` by name.'
        )
    return {name: {str(column): value} for name, value in given.items()}
