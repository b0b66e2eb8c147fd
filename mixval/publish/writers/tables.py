"""`NAME.parquet` for every published table that the run has."""

from __future__ import annotations

from mixval.contracts.results import published_schemas
from mixval.publish.results import ValuationResults
from mixval.storage.root import Location
from mixval.storage.tables import write_table


def write_tables(folder: Location, results: ValuationResults) -> None:
    """Each table under its schema. Raises `SchemaError` for one that does not fit."""
    for name, schema in published_schemas().items():
        table = getattr(results, name)
        if table is not None:
            write_table(folder.child(f"{name}.parquet"), table, schema)
