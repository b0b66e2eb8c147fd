"""Ranking and terms of each run as rows of two Delta tables, for whoever asks with SQL how values went over time.

The run's folder is the record; the tables follow it. A run's rows enter each table once, under the run's name and fingerprint:
what a failure or a kill left out enters when the run is found up to date.
"""

from __future__ import annotations

from datetime import datetime
from typing import cast

import pyarrow as pa

from mixval.config.fingerprint import fingerprint
from mixval.config.source import StorageConfig
from mixval.config.url_secrets import stripped_url
from mixval.config.valuation import ValuationConfig
from mixval.contracts.warnings import RunWarning, warning
from mixval.errors import ConditionUnsupportedError, ConfigError, MixvalError, reason_of
from mixval.lake.columns import stored_schema
from mixval.lake.delta import open_table
from mixval.lake.table import CommitKey, LakeTable
from mixval.publish.manifest import Manifest
from mixval.storage.root import open_location

VERSION = 1
NAMES = ("ranking", "terms")
"""Folders below `tables`."""
OF_RUN = pa.schema(
    [
        pa.field("run_id", pa.string()),
        pa.field("published", pa.timestamp("us", "UTC")),
        pa.field("fingerprint", pa.string()),
        pa.field("output", pa.string()),
    ]
)
"""Columns before those of `ranking.parquet` and `terms.parquet`, the same in all rows of a run."""
_ANY = 2**62
"""Changes of the table that may have come before: rows of a run depend on none of them."""


def result_tables(url: str, storage: StorageConfig) -> dict[str, LakeTable]:
    """Name -> table of results below a URL, whether it is there yet or not. Nothing is contacted.

    Raises ConfigError for a store that holds no such tables, StorageError for letters that delta-rs misreads.
    """
    try:
        return {name: open_table(f"{url.rstrip('/')}/{name}", storage) for name in NAMES}
    except ConditionUnsupportedError as error:
        raise ConfigError(
            f"tables: expected a local folder or a URL under s3://, found {stripped_url(url)}, where two runs at "
            "once could take each other's place. Move the tables, or leave `tables` out."
        ) from error


def append_results(config: ValuationConfig, manifest: Manifest, ranking: pa.Table, terms: pa.Table) -> list[RunWarning]:
    """Add a published run's rows to the tables, unless they are there. A failure is a warning: the run stands without them."""
    if config.tables is None:
        return []
    try:
        for name, table in result_tables(config.tables, config.source.storage).items():
            _append(table, _with_run(config, manifest, {"ranking": ranking, "terms": terms}[name]), manifest)
    except MixvalError as error:
        words = f"The tables of results lack rows of this run: {reason_of(error)} The run itself is published and whole; "
        return [warning("tables-behind", f"{words}the same command again adds what is missing.")]
    return []


def _append(table: LakeTable, rows: pa.Table, manifest: Manifest) -> None:
    key = CommitKey(fingerprint("result-rows", VERSION, run_id=manifest.run_id, fingerprint=manifest.fingerprint), 0)
    schema = stored_schema(rows.schema)
    table.create(schema)
    if table.attempt(key.delivery) is not None:
        return
    table.widen(schema)  # another mixval, or a term of another package, has other columns
    table.append_once(key, rows.to_reader, table.version(), _ANY)


def _with_run(config: ValuationConfig, manifest: Manifest, results: pa.Table) -> pa.Table:
    said = {
        "run_id": manifest.run_id,
        "published": datetime.fromisoformat(manifest.created),
        "fingerprint": manifest.fingerprint,
        "output": open_location(config.output, config.source.storage).url,
    }
    repeated = [pa.array([said[field.name]] * len(results), field.type) for field in OF_RUN]
    fields = [*OF_RUN, *(field.with_nullable(True) for field in results.schema)]
    return cast("pa.Table", pa.table([*repeated, *results.columns], schema=pa.schema(fields)))
